// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Using RBAC Authorization", default roles and role bindings.
// Rules are written as "verbs @ groups : resources", maybe with "= names" behind, or
// "verbs @ /paths", separated by semicolons; the core group is "core". Roles for what is not served
// (certificates, volumes) are there too: charts and tools bind them.
#include "registry/rbac_policy.h"

#include <array>
#include <string_view>

#include "base/trim.h"
#include "object/writer.h"
#include "registry/rbac_controllers.h"

namespace tetrarch::registry {

using object::Writer;

namespace {

constexpr std::string_view kApi = "rbac.authorization.k8s.io/v1";
constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

struct RoleRow {
  std::string_view name;
  std::string_view rules;
  std::string_view aggregates = "";     ///< gathers roles labelled aggregate-to-<this>
  std::string_view aggregated_to = "";  ///< is labelled aggregate-to-<this>
};

constexpr std::string_view kViewRules =
    "get,list,watch @ core : "
    "configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,"
    "replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/"
    "status,bindings,events,"
    "limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/"
    "status,resourcequotas,"
    "resourcequotas/status,namespaces;"
    "get,list,watch @ discovery.k8s.io : endpointslices;"
    "get,list,watch @ events.k8s.io : events;"
    "get,list,watch @ apps : "
    "controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,"
    "deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/"
    "scale,"
    "statefulsets/status;"
    "get,list,watch @ autoscaling : horizontalpodautoscalers,horizontalpodautoscalers/status;"
    "get,list,watch @ batch : cronjobs,cronjobs/status,jobs,jobs/status;"
    "get,list,watch @ policy : poddisruptionbudgets,poddisruptionbudgets/status;"
    "get,list,watch @ networking.k8s.io : ingresses,ingresses/status,networkpolicies;"
    "get,list,watch @ resource.k8s.io : "
    "resourceclaims,resourceclaims/status,resourceclaimtemplates;"
    "get,list,watch @ fleet.tetrarch.dev,swarm.tetrarch.dev,mesos.tetrarch.dev : *";

constexpr std::string_view kEditRules =
    "get,list,watch @ core : "
    "pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy;"
    "impersonate @ core : serviceaccounts;"
    "create,delete,deletecollection,patch,update @ core : "
    "pods,pods/attach,pods/exec,pods/portforward,pods/proxy,"
    "configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/"
    "scale,secrets,"
    "serviceaccounts,services,services/proxy;"
    "create @ core : pods/eviction,serviceaccounts/token;"
    "create,delete,deletecollection,patch,update @ apps : "
    "daemonsets,deployments,deployments/rollback,"
    "deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale;"
    "create,delete,deletecollection,patch,update @ autoscaling : horizontalpodautoscalers;"
    "create,delete,deletecollection,patch,update @ batch : cronjobs,jobs;"
    "create,delete,deletecollection,patch,update @ policy : poddisruptionbudgets;"
    "create,delete,deletecollection,patch,update @ networking.k8s.io : ingresses,networkpolicies;"
    "create,delete,deletecollection,patch,update @ resource.k8s.io : "
    "resourceclaims,resourceclaimtemplates;"
    "create,delete,deletecollection,get,list,patch,update,watch @ coordination.k8s.io : leases;"
    "create,delete,deletecollection,patch,update @ "
    "fleet.tetrarch.dev,swarm.tetrarch.dev,mesos.tetrarch.dev : *";

// Nobody is bound to it (the node authorizer is narrower), but an operator may be.
constexpr std::string_view kNodeRules =
    "create @ authentication.k8s.io : tokenreviews;"
    "create @ authorization.k8s.io : localsubjectaccessreviews,subjectaccessreviews;"
    "get,list,watch @ core : services;create,get,list,watch @ core : nodes;"
    "patch,update @ core : nodes/status;patch,update @ core : nodes;"
    "create,patch,update @ core : events;get,list,watch @ core : pods;"
    "create,delete @ core : pods;patch,update @ core : pods/status;"
    "create @ core : pods/eviction;get,list,watch @ core : configmaps,secrets;"
    "get @ core : persistentvolumeclaims,persistentvolumes;get @ core : endpoints;"
    "create,get,list,watch @ certificates.k8s.io : certificatesigningrequests;"
    "create,delete,get,patch,update @ coordination.k8s.io : leases;"
    "get @ storage.k8s.io : volumeattachments;create @ core : serviceaccounts/token;"
    "get,patch,update @ core : persistentvolumeclaims/status;"
    "get,list,watch @ storage.k8s.io : csidrivers;"
    "create,delete,get,patch,update @ storage.k8s.io : csinodes;"
    "get,list,watch @ node.k8s.io : runtimeclasses";

constexpr auto kRoles = std::to_array<RoleRow>({
    {"cluster-admin", "* @ * : *;* @ *"},
    {"admin", "", "admin"},
    {"edit", "", "edit", "admin"},
    {"view", "", "view", "edit"},
    {"system:aggregate-to-view", kViewRules, "", "view"},
    {"system:aggregate-to-edit", kEditRules, "", "edit"},
    {"system:aggregate-to-admin",
     "create @ authorization.k8s.io : localsubjectaccessreviews;"
     "create,delete,deletecollection,get,list,patch,update,watch @ rbac.authorization.k8s.io : "
     "rolebindings,roles",
     "",
     "admin"},
    {"system:discovery",
     "get @ "
     "/api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/"},
    {"system:public-info-viewer", "get @ /healthz,/livez,/readyz,/version,/version/"},
    {"system:basic-user",
     "create @ authorization.k8s.io : selfsubjectaccessreviews,selfsubjectrulesreviews;"
     "create @ authentication.k8s.io : selfsubjectreviews"},
    {"system:auth-delegator",
     "create @ authentication.k8s.io : tokenreviews;create @ authorization.k8s.io : "
     "subjectaccessreviews"},
    {"system:monitoring",
     "get @ /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*"},
    {"system:service-account-issuer-discovery",
     "get @ /.well-known/openid-configuration,/openid/v1/jwks"},
    {"system:node-bootstrapper",
     "create,get,list,watch @ certificates.k8s.io : certificatesigningrequests"},
    {"system:node-problem-detector",
     "get @ core : nodes;patch @ core : nodes/status;"
     "create,patch,update @ core,events.k8s.io : events"},
    {"system:node-proxier",
     "list,watch @ core : endpoints,services;get,list,watch @ core : nodes;"
     "create,patch,update @ core,events.k8s.io : events;list,watch @ discovery.k8s.io : "
     "endpointslices"},
    // Ours: what fleet's API does for whoever can reach its socket.
    {"system:fleet",
     "create,delete,get,list,update,watch @ fleet.tetrarch.dev : units;"
     "get,list,watch @ fleet.tetrarch.dev : unitstates;"
     "create,get,list,update,watch @ fleet.tetrarch.dev : machines;get,list,watch @ core : nodes"},
    {"system:kube-aggregator", "get,list,watch @ core : endpoints,services"},
    {"system:kube-dns", "list,watch @ core : endpoints,services"},
    {"system:kubelet-api-admin",
     "get,list,watch @ core : nodes;proxy @ core : nodes;"
     "* @ core : nodes/log,nodes/metrics,nodes/proxy,nodes/stats"},
    {"system:kube-scheduler",
     "create,patch,update @ core,events.k8s.io : events;create @ coordination.k8s.io : leases;"
     "get,update @ coordination.k8s.io : leases = kube-scheduler;get,list,watch @ core : nodes;"
     "delete,get,list,watch @ core : pods;create @ core : bindings,pods/binding;"
     "patch,update @ core : pods/status;get,list,watch @ core : replicationcontrollers,services;"
     "get,list,watch @ apps : replicasets,statefulsets;"
     "get,list,watch @ policy : poddisruptionbudgets;"
     "get,list,watch @ core : persistentvolumeclaims,persistentvolumes;"
     "create @ authentication.k8s.io : tokenreviews;"
     "create @ authorization.k8s.io : subjectaccessreviews;"
     "get,list,watch @ storage.k8s.io : csidrivers,csinodes,csistoragecapacities;"
     "get,list,watch @ core : namespaces"},
    {"system:kube-controller-manager",
     "create,patch,update @ core,events.k8s.io : events;create @ coordination.k8s.io : leases;"
     "get,update @ coordination.k8s.io : leases = kube-controller-manager;"
     "create @ core : secrets,serviceaccounts;delete @ core : secrets;"
     "get @ core : configmaps,namespaces,secrets,serviceaccounts;"
     "update @ core : secrets,serviceaccounts;create @ authentication.k8s.io : tokenreviews;"
     "create @ authorization.k8s.io : subjectaccessreviews;list,watch @ * : *;"
     "create @ core : serviceaccounts/token"},
    {"system:node", kNodeRules},
    {"system:certificates.k8s.io:certificatesigningrequests:nodeclient",
     "create @ certificates.k8s.io : certificatesigningrequests/nodeclient"},
    {"system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
     "create @ certificates.k8s.io : certificatesigningrequests/selfnodeclient"},
    {"system:certificates.k8s.io:kube-apiserver-client-approver",
     "approve @ certificates.k8s.io : signers = kubernetes.io/kube-apiserver-client"},
    {"system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
     "approve @ certificates.k8s.io : signers = kubernetes.io/kube-apiserver-client-kubelet"},
    {"system:certificates.k8s.io:kubelet-serving-approver",
     "approve @ certificates.k8s.io : signers = kubernetes.io/kubelet-serving"},
    {"system:certificates.k8s.io:legacy-unknown-approver",
     "approve @ certificates.k8s.io : signers = kubernetes.io/legacy-unknown"},
    {"system:persistent-volume-provisioner",
     "create,delete,get,list,watch @ core : persistentvolumes;"
     "get,list,update,watch @ core : persistentvolumeclaims;"
     "get,list,watch @ storage.k8s.io : storageclasses;watch @ core : events;"
     "create,patch,update @ core,events.k8s.io : events"},
    {"system:volume-scheduler",
     "get,list,patch,update,watch @ core : persistentvolumes;"
     "get,list,watch @ storage.k8s.io : storageclasses;"
     "get,list,patch,update,watch @ core : persistentvolumeclaims"},
});

struct BindingRow {
  std::string_view name;
  std::string_view role;
  std::string_view kind;
  std::string_view subjects;  ///< separated by commas; empty: nobody
};

constexpr auto kBindings = std::to_array<BindingRow>({
    {"cluster-admin", "cluster-admin", "Group", "system:masters"},
    {"system:discovery", "system:discovery", "Group", "system:authenticated"},
    {"system:basic-user", "system:basic-user", "Group", "system:authenticated"},
    {"system:public-info-viewer",
     "system:public-info-viewer",
     "Group",
     "system:authenticated,system:unauthenticated"},
    {"system:monitoring", "system:monitoring", "Group", "system:monitoring"},
    {"system:service-account-issuer-discovery",
     "system:service-account-issuer-discovery",
     "Group",
     "system:serviceaccounts"},
    {"system:node-proxier", "system:node-proxier", "User", "system:kube-proxy"},
    {"system:volume-scheduler", "system:volume-scheduler", "User", "system:kube-scheduler"},
    {"system:kube-scheduler", "system:kube-scheduler", "User", "system:kube-scheduler"},
    {"system:kube-controller-manager",
     "system:kube-controller-manager",
     "User",
     "system:kube-controller-manager"},
    {"system:fleet", "system:fleet", "User", "system:fleet"},
    // A node renews its own certificate. Source: kubeadm's binding of the same name.
    {"kubeadm:node-autoapprove-certificate-rotation",
     "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
     "Group",
     "system:nodes"},
    // Nodes are let in by the node authorizer; the binding exists because clients look for it.
    {"system:node", "system:node", "Group", ""},
});

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto at = text.find(by);
    out.push_back(trim(text.substr(0, at)));
    text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  }
  return out;
}

void write_list(Writer& out, std::string_view name, std::string_view list) {
  out.key(name).begin_array();
  for (const auto each : split(list, ',')) {
    out.string(each == "core" ? "" : each);
  }
  out.end_array();
}

void write_rules(Writer& out, std::string_view rules) {
  out.key("rules").begin_array();
  for (const auto rule : split(rules, ';')) {
    const auto at = rule.find('@');
    const auto what = trim(rule.substr(at + 1));
    out.begin_object();
    write_list(out, "verbs", trim(rule.substr(0, at)));
    if (what.find(" : ") == std::string_view::npos) {
      write_list(out, "nonResourceURLs", what);
    } else {
      const auto colon = what.find(" : ");
      const auto names = what.find(" = ");
      write_list(out, "apiGroups", what.substr(0, colon));
      write_list(out, "resources", what.substr(colon + 3, names - colon - 3));
      if (names != std::string_view::npos) {
        write_list(out, "resourceNames", what.substr(names + 3));
      }
    }
    out.end_object();
  }
  out.end_array();
}

void write_meta(Writer& out,
                std::string_view name,
                std::string_view aggregated_to,
                std::string_view ns = "") {
  out.key("metadata").begin_object().field("name", name);
  if (!ns.empty()) {
    out.field("namespace", ns);
  }
  out.key("labels").begin_object();
  out.field("kubernetes.io/bootstrapping", "rbac-defaults");
  if (!aggregated_to.empty()) {
    out.field("rbac.authorization.k8s.io/aggregate-to-" + std::string(aggregated_to), "true");
  }
  out.end_object().key("annotations").begin_object();
  out.field("rbac.authorization.kubernetes.io/autoupdate", "true").end_object().end_object();
}

void write_role_ref(Writer& out, std::string_view role, std::string_view kind = "ClusterRole") {
  out.key("roleRef").begin_object().field("apiGroup", kGroup).field("kind", kind);
  out.field("name", role).end_object();
}

std::string role_json(std::string_view name, const RoleRow& row) {
  std::string json;
  Writer out(json);
  out.begin_object().field("kind", "ClusterRole").field("apiVersion", kApi);
  write_meta(out, name, row.aggregated_to);
  if (!row.aggregates.empty()) {
    out.key("aggregationRule").begin_object().key("clusterRoleSelectors").begin_array();
    out.begin_object().key("matchLabels").begin_object();
    out.field("rbac.authorization.k8s.io/aggregate-to-" + std::string(row.aggregates), "true");
    out.end_object().end_object().end_array().end_object();
  }
  write_rules(out, row.rules);
  out.end_object();
  return json;
}

/// The role and the binding of a controller have one name.
std::string controller_binding_json(std::string_view name, std::string_view account) {
  std::string json;
  Writer out(json);
  out.begin_object().field("kind", "ClusterRoleBinding").field("apiVersion", kApi);
  write_meta(out, name, "");
  out.key("subjects").begin_array().begin_object().field("kind", "ServiceAccount");
  out.field("name", account).field("namespace", "kube-system").end_object().end_array();
  write_role_ref(out, name);
  out.end_object();
  return json;
}

void write_subjects(Writer& out, const BindingRow& row) {
  if (row.subjects.empty()) {
    return;
  }
  out.key("subjects").begin_array();
  for (const auto subject : split(row.subjects, ',')) {
    out.begin_object().field("kind", row.kind).field("apiGroup", kGroup);
    out.field("name", subject).end_object();
  }
  out.end_array();
}

std::string binding_json(const BindingRow& row) {
  std::string json;
  Writer out(json);
  out.begin_object().field("kind", "ClusterRoleBinding").field("apiVersion", kApi);
  write_meta(out, row.name, "");
  write_subjects(out, row);
  write_role_ref(out, row.role);
  out.end_object();
  return json;
}

constexpr std::string_view kSystem = "kube-system";
/// For API servers of others: what they know ours and its users by.
constexpr RoleRow kAuthenticationReader{
    "extension-apiserver-authentication-reader",
    "get,list,watch @ core : configmaps = extension-apiserver-authentication"};
constexpr BindingRow kAuthenticationReaders{"system::extension-apiserver-authentication-reader",
                                            kAuthenticationReader.name,
                                            "User",
                                            "system:kube-controller-manager,system:kube-scheduler"};

std::string system_role_json(const RoleRow& row) {
  std::string json;
  Writer out(json);
  out.begin_object().field("kind", "Role").field("apiVersion", kApi);
  write_meta(out, row.name, "", kSystem);
  write_rules(out, row.rules);
  out.end_object();
  return json;
}

std::string system_binding_json(const BindingRow& row) {
  std::string json;
  Writer out(json);
  out.begin_object().field("kind", "RoleBinding").field("apiVersion", kApi);
  write_meta(out, row.name, "", kSystem);
  write_subjects(out, row);
  write_role_ref(out, row.role, "Role");
  out.end_object();
  return json;
}

}  // namespace

std::vector<PolicyObject> bootstrap_policy() {
  std::vector<PolicyObject> out;
  for (const auto& row : kRoles) {
    out.push_back({"clusterroles.rbac.authorization.k8s.io", "", role_json(row.name, row)});
  }
  for (const auto& row : controller_roles()) {
    const auto name = std::string(kControllerPrefix).append(row.name);
    out.push_back({"clusterroles.rbac.authorization.k8s.io",
                   "",
                   role_json(name, RoleRow{.name = {}, .rules = row.rules})});
    out.push_back({"clusterrolebindings.rbac.authorization.k8s.io",
                   "",
                   controller_binding_json(name, row.name)});
  }
  for (const auto& row : kBindings) {
    out.push_back({"clusterrolebindings.rbac.authorization.k8s.io", "", binding_json(row)});
  }
  const std::string system(kSystem);
  out.push_back(
      {"roles.rbac.authorization.k8s.io", system, system_role_json(kAuthenticationReader)});
  out.push_back({"rolebindings.rbac.authorization.k8s.io",
                 system,
                 system_binding_json(kAuthenticationReaders)});
  return out;
}

}  // namespace tetrarch::registry
