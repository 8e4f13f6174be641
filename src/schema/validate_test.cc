// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/decode.h"
#include "schema/faults_test.h"
#include "schema/formats.h"

namespace tetrarch::schema {
namespace {

const Catalog& catalog() {
  static const auto loaded = Catalog::load_builtin().value();
  return *loaded;
}

DocumentPtr decoded(const Kind& kind, std::string_view json) {
  auto result = decode(kind, json, Unknown::refuse);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
  return result.ok() ? result->document : Document::from_canonical("{}");
}

/// "field: message" of each fault.
std::vector<std::string> faults(std::string_view group,
                                std::string_view name,
                                std::string_view fresh,
                                std::string_view old = "") {
  const auto& kind = *catalog().find(group, "v1", name);
  const auto document = decoded(kind, fresh);
  const auto before = old.empty() ? nullptr : decoded(kind, old);
  return fault_texts(kind, document, before);
}

/// A pod of one good container; `container` and `spec` are members (with a comma behind) that go in
/// front.
std::string pod(std::string_view container = "",
                std::string_view spec = "",
                std::string_view metadata = "") {
  return fmt::format(R"({{"metadata":{{{}"name":"p","namespace":"n"}},"spec":{{{}"containers":[{{{)"
                     R"(}"name":"c","image":"i:1"}}]}}}})",
                     metadata,
                     spec,
                     container);
}

std::string deployment(std::string_view spec = "", std::string_view pod_spec = "") {
  return fmt::format(
      R"({{"metadata":{{"name":"d","namespace":"n"}},"spec":{{{}"selector":{{"matchLabels":{{)"
      R"("a":"b"}}}},)"
      R"("template":{{"metadata":{{"labels":{{"a":"b"}}}},"spec":{{{}"containers":[{{)"
      R"("name":"c","image":"i"}}]}}}}}}}})",
      spec,
      pod_spec);
}

std::string service(std::string_view spec) {
  return fmt::format(R"({{"metadata":{{"name":"s","namespace":"n"}},"spec":{{{}}}}})", spec);
}

TEST(Validate, AcceptsPlainObjects) {
  EXPECT_THAT(faults("", "Pod", pod()), testing::IsEmpty());
  EXPECT_THAT(faults("apps", "Deployment", deployment()), testing::IsEmpty());
  EXPECT_THAT(faults("", "Service", service(R"("ports":[{"port":80}])")), testing::IsEmpty());
  EXPECT_THAT(faults("", "Namespace", R"({"metadata":{"name":"n"}})"), testing::IsEmpty());
  EXPECT_THAT(
      faults("coordination.k8s.io",
             "Lease",
             R"({"metadata":{"name":"l","namespace":"n"},"spec":{"leaseDurationSeconds":40}})"),
      testing::IsEmpty());
  EXPECT_THAT(
      faults(
          "rbac.authorization.k8s.io",
          "ClusterRole",
          R"({"metadata":{"name":"system:x"},"rules":[{"verbs":["*"],"nonResourceURLs":["*"]}]})"),
      testing::IsEmpty());
}

struct Row {
  std::string_view name;
  std::string_view group;
  std::string_view kind;
  std::string body;
  std::vector<std::string> expected;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

class FaultTest : public testing::TestWithParam<Row> {};

TEST_P(FaultTest, IsWordedAsKubernetesDoes) {
  const auto& row = GetParam();

  EXPECT_THAT(faults(row.group, row.kind, row.body), testing::ElementsAreArray(row.expected));
}

constexpr std::string_view kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const std::vector<Row> kMetadataRows{
    {"name",
     "",
     "ConfigMap",
     R"({"metadata":{"name":"A","namespace":"n"}})",
     {"metadata.name: Invalid value: \"A\": " + std::string{kSubdomain}}},
    {"no_name",
     "",
     "ConfigMap",
     R"({"metadata":{"namespace":"n"}})",
     {"metadata.name: Required value: name or generateName is required"}},
    {"no_namespace",
     "",
     "ConfigMap",
     R"({"metadata":{"name":"a"}})",
     {"metadata.namespace: Required value"}},
    {"namespace_of_cluster_kind",
     "",
     "Node",
     R"({"metadata":{"name":"a","namespace":"b"}})",
     {"metadata.namespace: Forbidden: not allowed on this type"}},
    {"namespace_with_dots",
     "",
     "Namespace",
     R"({"metadata":{"name":"a.b"}})",
     {
         "metadata.name: Invalid value: \"a.b\": must not contain dots",
     }},
    {"role_name",
     "rbac.authorization.k8s.io",
     "ClusterRole",
     R"({"metadata":{"name":"a/b"}})",
     {"metadata.name: Invalid value: \"a/b\": may not contain '/'"}},
    {"label_value",
     "",
     "ConfigMap",
     R"({"metadata":{"name":"a","namespace":"n","labels":{"k":"-"}}})",
     {"metadata.labels: Invalid value: \"-\": a valid label must be an empty string or consist "
      "of alphanumeric "
      "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
      "'MyValue',  or "
      "'my_value',  or '12345', regex used for validation is "
      "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"}},
    {"annotations_size",
     "",
     "ConfigMap",
     R"({"metadata":{"name":"a","namespace":"n","annotations":{"k":")" + std::string(262144, 'x') +
         R"("}}})",
     {"metadata.annotations: Too long: may not be more than 262144 bytes"}},
    {"finalizer",
     "",
     "ConfigMap",
     R"({"metadata":{"name":"a","namespace":"n","finalizers":["x"]}})",
     {"metadata.finalizers: Invalid value: \"x\": name is neither a standard finalizer name nor "
      "is it fully qualified"}},
    {"owner",
     "",
     "ConfigMap",
     R"({"metadata":{"name":"a","namespace":"n","ownerReferences":[{"apiVersion":"v1",)"
     R"("kind":"Pod","name":"p"}]}})",
     {"metadata.ownerReferences[0].uid: Invalid value: \"\": must not be empty"}},
};

INSTANTIATE_TEST_SUITE_P(Metadata,
                         FaultTest,
                         testing::ValuesIn(kMetadataRows),
                         [](const auto& row) { return std::string{row.param.name}; });

const std::string kFirst = "spec.containers[0].";
const std::string kSources = "spec.volumes[0].projected.sources";
const std::string kNoDots = "must not contain '..'";
const std::string kSysctls = "spec.securityContext.sysctls";
const std::string kSysctlName =
    "must have at most 253 characters and match regex "
    "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

const std::vector<Row> kPodRows{
    {"escalation_of_the_privileged",
     "",
     "Pod",
     R"({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"c","image":"i",)"
     R"("securityContext":{"allowPrivilegeEscalation":false,"privileged":true}}]}})",
     {kFirst + "securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,"
               "\"privileged\":true}: cannot set `allowPrivilegeEscalation` to false and "
               "`privileged` to true"}},
    {"seccomp_without_its_file",
     "",
     "Pod",
     R"({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"c","image":"i",)"
     R"("securityContext":{"seccompProfile":{"type":"Localhost"}}}]}})",
     {kFirst + "securityContext.seccompProfile.localhostProfile: Required value: must be set when "
               "seccomp type is Localhost"}},
    {"sysctl_of_the_host",
     "",
     "Pod",
     R"({"metadata":{"name":"p","namespace":"n"},"spec":{"hostNetwork":true,"securityContext":)"
     R"({"sysctls":[{"name":"net.core.somaxconn","value":"1"}]},)"
     R"("containers":[{"name":"c","image":"i"}]}})",
     {"spec.securityContext.sysctls[net.core.somaxconn]: Invalid value: \"net.core.somaxconn\": "
      "may not be specified when 'hostNetwork' is true"}},
    {"sysctls_of_no_name",
     "",
     "Pod",
     R"({"metadata":{"name":"p","namespace":"n"},"spec":{"securityContext":{"sysctls":[)"
     R"({"name":"foo-","value":"1"},{"name":"net.ipv4/ip-a_b","value":"1"},)"
     R"({"name":"bar..","value":"1"},{"name":"-a","value":"1"}]},)"
     R"("containers":[{"name":"c","image":"i"}]}})",
     {kSysctls + "[0].name: Invalid value: \"foo-\": " + kSysctlName,
      kSysctls + "[2].name: Invalid value: \"bar..\": " + kSysctlName,
      kSysctls + "[3].name: Invalid value: \"-a\": " + kSysctlName}},
    {"no_containers",
     "",
     "Pod",
     R"({"metadata":{"name":"p","namespace":"n"},"spec":{}})",
     {"spec.containers: Required value"}},
    {"no_name_no_image",
     "",
     "Pod",
     R"({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{}]}})",
     {kFirst + "name: Required value", kFirst + "image: Required value"}},
    {"two_of_a_name",
     "",
     "Pod",
     pod("", R"("initContainers":[{"name":"c","image":"i"}],)"),
     {"spec.containers[0].name: Duplicate value: \"c\""}},
    {"restart_policy",
     "",
     "Pod",
     pod("", R"("restartPolicy":"x",)"),
     {"spec.restartPolicy: Unsupported value: \"x\": supported values: \"Always\", "
      "\"OnFailure\", \"Never\""}},
    {"port_range",
     "",
     "Pod",
     pod(R"("ports":[{"containerPort":70000}],)"),
     {kFirst +
      "ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"}},
    {"port_name",
     "",
     "Pod",
     pod(R"("ports":[{"containerPort":7,"name":"a--b"}],)"),
     {kFirst + "ports[0].name: Invalid value: \"a--b\": must not contain consecutive hyphens"}},
    {"host_port_twice",
     "",
     "Pod",
     pod(R"("ports":[{"containerPort":1,"hostPort":9},{"containerPort":2,"hostPort":9}],)"),
     {kFirst + "ports[1].hostPort: Duplicate value: \"TCP//9\""}},
    {"host_port_twice_in_two_containers",
     "",
     "Pod",
     R"({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[)"
     R"({"name":"a","image":"i","ports":[{"containerPort":1,"hostPort":9}]},)"
     R"({"name":"b","image":"i","ports":[{"containerPort":2,"hostPort":9}]}]}})",
     {"spec.containers[1].ports[0].hostPort: Duplicate value: \"TCP//9\""}},
    {"host_port_twice_in_an_init_container",
     "",
     "Pod",
     pod(R"("ports":[{"containerPort":1,"hostPort":9}],)",
         R"("initContainers":[{"name":"a","image":"i","ports":[{"containerPort":1,"hostPort":9},)"
         R"({"containerPort":2,"hostPort":9}]},{"name":"b","image":"i","restartPolicy":"Always",)"
         R"("ports":[{"containerPort":1,"hostPort":9}]}],)"),
     {"spec.initContainers[0].ports[1].hostPort: Duplicate value: \"TCP//9\""}},
    {"host_network_port",
     "",
     "Pod",
     pod(R"("ports":[{"containerPort":80},{"containerPort":81,"hostPort":82}],)",
         R"("hostNetwork":true,)"),
     {kFirst + "ports[1].hostPort: Invalid value: 82: must match `containerPort` when "
               "`hostNetwork` is true"}},
    {"host_network_port_of_a_template",
     "apps",
     "Deployment",
     R"({"metadata":{"name":"d","namespace":"n"},"spec":{"selector":{"matchLabels":{"a":"b"}},)"
     R"("template":{"metadata":{"labels":{"a":"b"}},"spec":{"hostNetwork":true,"containers":[)"
     R"({"name":"c","image":"i","ports":[{"containerPort":80},)"
     R"({"containerPort":81,"hostPort":82}]}]}}}})",
     {"spec.template.spec.containers[0].ports[1].hostPort: Invalid value: 82: must match "
      "`containerPort` when `hostNetwork` is true"}},
    {"request_over_limit",
     "",
     "Pod",
     pod(R"("resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1500m"}},)"),
     {kFirst + "resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu "
               "limit of 1"}},
    {"negative_limit",
     "",
     "Pod",
     pod(R"("resources":{"limits":{"cpu":"-1"},"requests":{"cpu":"-1"}},)"),
     {kFirst + "resources.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
      kFirst +
          "resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"}},
    {"resource_name",
     "",
     "Pod",
     pod(R"("resources":{"limits":{"gpu":"1"}},)"),
     {kFirst + "resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type or "
               "fully qualified",
      kFirst +
          "resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource type or "
          "fully qualified"}},
    {"unknown_volume",
     "",
     "Pod",
     pod(R"("volumeMounts":[{"name":"v","mountPath":"/v"}],)"),
     {kFirst + "volumeMounts[0].name: Not found: \"v\""}},
    {"mount_path_twice",
     "",
     "Pod",
     pod(R"("volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"v","mountPath":"/v"}],)",
         R"("volumes":[{"name":"v"}],)"),
     {kFirst + "volumeMounts[1].mountPath: Invalid value: \"/v\": must be unique"}},
    {"volume_twice",
     "",
     "Pod",
     pod("", R"("volumes":[{"name":"v"},{"name":"v"}],)"),
     {"spec.volumes[1].name: Duplicate value: \"v\""}},
    {"two_sources",
     "",
     "Pod",
     pod("", R"("volumes":[{"name":"v","emptyDir":{},"hostPath":{"path":"/"}}],)"),
     {"spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"}},
    {"projected_paths",
     "",
     "Pod",
     pod("",
         R"("volumes":[{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"a/t"}},)"
         R"({"serviceAccountToken":{"path":"/t"}},{"serviceAccountToken":{"path":"a/../../t"}},)"
         R"({"serviceAccountToken":{"path":"..t"}},{"serviceAccountToken":{"path":""}},)"
         R"({"clusterTrustBundle":{"name":"b","path":"../b"}},)"
         R"({"podCertificate":{"keyType":"ED25519","signerName":"a.b/c","keyPath":"/k"}},)"
         R"({"downwardAPI":{"items":[{"path":"..data","fieldRef":{"fieldPath":)"
         R"("metadata.name"}}]}}]}}],)"),
     {kSources + "[4].serviceAccountToken.path: Required value",
      kSources + "[1].serviceAccountToken.path: Invalid value: \"/t\": must be a relative path",
      kSources + "[2].serviceAccountToken.path: Invalid value: \"a/../../t\": " + kNoDots,
      kSources + "[3].serviceAccountToken.path: Invalid value: \"..t\": must not start with '..'",
      kSources + "[5].clusterTrustBundle.path: Invalid value: \"../b\": " + kNoDots,
      kSources + "[6].podCertificate.keyPath: Invalid value: \"/k\": must be a relative path",
      kSources + "[7].downwardAPI.items[0].path: Invalid value: \"..data\": must not start with "
                 "'..'"}},
    {"probe_without_handler",
     "",
     "Pod",
     pod(R"("livenessProbe":{},)"),
     {kFirst + "livenessProbe: Required value: must specify a handler type"}},
    {"liveness_success",
     "",
     "Pod",
     pod(R"("livenessProbe":{"exec":{"command":["a"]},"successThreshold":2},)"),
     {kFirst + "livenessProbe.successThreshold: Invalid value: 2: must be 1"}},
    {"probe_of_init_container",
     "",
     "Pod",
     pod("",
         R"("initContainers":[{"name":"i","image":"i","readinessProbe":{"exec":{)"
         R"("command":["a"]}}}],)"),
     {"spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers "
      "without "
      "restartPolicy=Always"}},
    {"env_source",
     "",
     "Pod",
     pod(R"("env":[{"name":"a","valueFrom":{"fieldRef":{"fieldPath":"x"}}}],)"),
     {kFirst +
      "env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"x\": supported values: "
      "\"metadata.name\", "
      "\"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", "
      "\"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\""}},
    {"toleration",
     "",
     "Pod",
     pod("", R"("tolerations":[{"operator":"Equal"}],)"),
     {"spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when "
      "`key` is empty, which means "
      "\"match all values and all keys\""}},
    {"node_selector_terms",
     "",
     "Pod",
     pod("",
         R"("affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{)"
         R"("nodeSelectorTerms":[]}}},)"),
     {"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
      "nodeSelectorTerms: Required value"}},
    {"spread_twice",
     "",
     "Pod",
     pod("",
         R"("topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"z",)"
         R"("whenUnsatisfiable":"DoNotSchedule"},)"
         R"({"maxSkew":1,"topologyKey":"z","whenUnsatisfiable":"DoNotSchedule"}],)"),
     {"spec.topologySpreadConstraints[1]: Duplicate value: \"z/DoNotSchedule\""}},
};

INSTANTIATE_TEST_SUITE_P(Pod, FaultTest, testing::ValuesIn(kPodRows), [](const auto& row) {
  return std::string{row.param.name};
});

const std::vector<Row> kOtherRows{
    {"selector_and_labels",
     "apps",
     "Deployment",
     R"({"metadata":{"name":"d","namespace":"n"},"spec":{"selector":{"matchLabels":{"a":"c"}},)"
     R"("template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c",)"
     R"("image":"i"}]}}}})",
     {"spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match "
      "template `labels`"}},
    {"empty_selector",
     "apps",
     "Deployment",
     R"({"metadata":{"name":"d","namespace":"n"},"spec":{"selector":{},)"
     R"("template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}})",
     {"spec.selector: Invalid value: {}: empty selector is invalid for deployment"}},
    {"no_selector",
     "apps",
     "Deployment",
     R"({"metadata":{"name":"d","namespace":"n"},"spec":{"template":{"spec":{"containers":[{)"
     R"("name":"c","image":"i"}]}}}})",
     {"spec.selector: Required value"}},
    {"negative_replicas",
     "apps",
     "Deployment",
     deployment(R"("replicas":-1,)"),
     {"spec.replicas: Invalid value: -1: must be greater than or equal to 0"}},
    {"template_restart_policy",
     "apps",
     "Deployment",
     deployment("", R"("restartPolicy":"Never",)"),
     {"spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: "
      "\"Always\""}},
    {"no_surge_no_unavailable",
     "apps",
     "Deployment",
     deployment(R"("strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":"0%"}},)"),
     {"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when "
      "`maxSurge` is 0"}},
    {"recreate_and_rolling",
     "apps",
     "Deployment",
     deployment(R"("strategy":{"type":"Recreate","rollingUpdate":{"maxSurge":1}},)"),
     {"spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is "
      "'Recreate'"}},
    {"deadline",
     "apps",
     "Deployment",
     deployment(R"("progressDeadlineSeconds":5,"minReadySeconds":5,)"),
     {"spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"}},
    {"no_ports", "", "Service", service(""), {"spec.ports: Required value"}},
    {"unnamed_ports",
     "",
     "Service",
     service(R"("ports":[{"port":1,"name":"a"},{"port":2}])"),
     {"spec.ports[1].name: Required value"}},
    {"node_port_of_cluster_ip",
     "",
     "Service",
     service(R"("ports":[{"port":1,"nodePort":30000}])"),
     {"spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"}},
    {"cluster_ip",
     "",
     "Service",
     service(R"("clusterIP":"x","clusterIPs":["x"],"ports":[{"port":1}])"),
     {"spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or "
      "2001:db8::ffff)"}},
    {"service_type",
     "",
     "Service",
     service(R"("type":"Ingress","ports":[{"port":1}])"),
     {"spec.type: Unsupported value: \"Ingress\": supported values: \"ClusterIP\", "
      "\"ExternalName\", \"LoadBalancer\", "
      "\"NodePort\""}},
    {"external_name",
     "",
     "Service",
     service(R"("type":"ExternalName")"),
     {"spec.externalName: Required value"}},
    {"config_key",
     "",
     "ConfigMap",
     R"({"metadata":{"name":"a","namespace":"n"},"data":{"a b":"x"}})",
     {"data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric "
      "characters, '-', '_' or '.' "
      "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
      "'[-._a-zA-Z0-9]+')"}},
    {"config_size",
     "",
     "ConfigMap",
     R"({"metadata":{"name":"a","namespace":"n"},"data":{"a":")" + std::string(1048577, 'x') +
         "\"}}",
     {"data: Too long: may not be more than 1048576 bytes"}},
    {"tls_secret",
     "",
     "Secret",
     R"({"metadata":{"name":"a","namespace":"n"},"type":"kubernetes.io/tls"})",
     {"data[tls.crt]: Required value", "data[tls.key]: Required value"}},
    {"role_rule",
     "rbac.authorization.k8s.io",
     "Role",
     R"({"metadata":{"name":"a","namespace":"n"},"rules":[{"resources":["pods"]}]})",
     {"rules[0].verbs: Required value: verbs must contain at least one value",
      "rules[0].apiGroups: Required value: resource rules must supply at least one api group"}},
    {"binding_subject",
     "rbac.authorization.k8s.io",
     "RoleBinding",
     R"({"metadata":{"name":"a","namespace":"n"},"roleRef":{"kind":"Role","name":"r"},)"
     R"("subjects":[{"kind":"ServiceAccount","name":"s"}]})",
     {"subjects[0].namespace: Required value"}},
    {"slice_address",
     "discovery.k8s.io",
     "EndpointSlice",
     R"({"metadata":{"name":"a","namespace":"n"},"addressType":"IPv4","endpoints":[{)"
     R"("addresses":["::1"]}]})",
     {"endpoints[0].addresses[0]: Invalid value: \"::1\": must be a valid IPv4 address"}},
    {"lease_duration",
     "coordination.k8s.io",
     "Lease",
     R"({"metadata":{"name":"l","namespace":"n"},"spec":{"leaseDurationSeconds":0}})",
     {"spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"}},
    {"event_namespace",
     "",
     "Event",
     R"({"metadata":{"name":"e","namespace":"n"},"involvedObject":{"namespace":"m"}})",
     {"involvedObject.namespace: Invalid value: \"m\": does not match event.namespace"}},
    {"taint",
     "",
     "Node",
     R"({"metadata":{"name":"n"},"spec":{"taints":[{"key":"k","effect":"x"}]}})",
     {"spec.taints[0].effect: Unsupported value: \"x\": supported values: \"NoSchedule\", "
      "\"PreferNoSchedule\", "
      "\"NoExecute\""}},
    {"reserved_priority_name",
     "scheduling.k8s.io",
     "PriorityClass",
     R"({"metadata":{"name":"system-x"},"value":1})",
     {"metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for "
      "system use only"}},
    {"priority",
     "scheduling.k8s.io",
     "PriorityClass",
     R"({"metadata":{"name":"p"},"value":1000000001})",
     {"value: Forbidden: maximum allowed value of a user defined priority is 1000000000"}},
};

INSTANTIATE_TEST_SUITE_P(Other, FaultTest, testing::ValuesIn(kOtherRows), [](const auto& row) {
  return std::string{row.param.name};
});

struct UpdateRow {
  std::string_view name;
  std::string_view group;
  std::string_view kind;
  std::string old;
  std::string fresh;
  std::vector<std::string> expected;
};

void PrintTo(const UpdateRow& row, std::ostream* out) {
  *out << row.name;
}

class UpdateTest : public testing::TestWithParam<UpdateRow> {};

TEST_P(UpdateTest, MayChangeOnlyWhatKubernetesLetsChange) {
  const auto& row = GetParam();

  EXPECT_THAT(faults(row.group, row.kind, row.fresh, row.old),
              testing::ElementsAreArray(row.expected));
}

std::vector<UpdateRow> update_rows() {
  const std::string pod_rule =
      "spec: Forbidden: pod updates may not change fields other than "
      "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`"
      "spec.tolerations` (only "
      "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
      "to 1 if it was "
      "previously negative)";
  const std::string other_image =
      R"({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"c",)"
      R"("image":"j:2"}]}})";
  const std::string map =
      R"({"metadata":{"name":"a","namespace":"n"},"immutable":true,"data":{"a":"b"}})";
  const auto binding = [](std::string_view role) {
    return fmt::format(
        R"({{"metadata":{{"name":"a","namespace":"n"}},"roleRef":{{"kind":"Role","name":"{}"}}}})",
        role);
  };
  return {
      {"same", "", "Pod", pod(), pod(), {}},
      {"image", "", "Pod", pod(), other_image, {}},
      {"labels", "", "Pod", pod(), pod("", "", R"("labels":{"a":"b"},)"), {}},
      {"command", "", "Pod", pod(), pod(R"("command":["x"],)"), {pod_rule}},
      {"node_name", "", "Pod", pod(), pod("", R"("nodeName":"x",)"), {pod_rule}},
      {"toleration_added",
       "",
       "Pod",
       pod(),
       pod("", R"("tolerations":[{"operator":"Exists"}],)"),
       {}},
      {"toleration_removed",
       "",
       "Pod",
       pod("", R"("tolerations":[{"operator":"Exists"}],)"),
       pod(),
       {"spec.tolerations: Forbidden: existing toleration can not be modified except its "
        "tolerationSeconds"}},
      {"toleration_for_another_time",
       "",
       "Pod",
       pod("",
           R"("tolerations":[{"operator":"Exists","effect":"NoExecute","tolerationSeconds":9}],)"),
       pod("",
           R"("tolerations":[{"operator":"Exists","effect":"NoExecute","tolerationSeconds":7}],)"),
       {}},
      {"gate_lifted", "", "Pod", pod("", R"("schedulingGates":[{"name":"a"}],)"), pod(), {}},
      {"gate_added",
       "",
       "Pod",
       pod(),
       pod("", R"("schedulingGates":[{"name":"a"}],)"),
       {"spec.schedulingGates: Forbidden: only deletion is allowed, but found new scheduling gate "
        "'a'"}},
      {"selector",
       "apps",
       "Deployment",
       deployment(),
       R"({"metadata":{"name":"d","namespace":"n"},"spec":{"selector":{"matchLabels":{"a":"c"}},)"
       R"("template":{"metadata":{"labels":{"a":"c"}},"spec":{"containers":[{"name":"c",)"
       R"("image":"i"}]}}}})",
       {"spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable"}},
      {"frozen_config_map",
       "",
       "ConfigMap",
       map,
       R"({"metadata":{"name":"a","namespace":"n"},"data":{"a":"c"}})",
       {"immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set"}},
      {"secret_type",
       "",
       "Secret",
       R"({"metadata":{"name":"a","namespace":"n"}})",
       R"({"metadata":{"name":"a","namespace":"n"},"type":"x"})",
       {"type: Invalid value: \"x\": field is immutable"}},
      {"cluster_ip",
       "",
       "Service",
       service(R"("clusterIP":"10.0.0.1","ports":[{"port":1}])"),
       service(R"("clusterIP":"10.0.0.2","ports":[{"port":1}])"),
       {"spec.clusterIPs[0]: Invalid value: \"10.0.0.2\": may not change once set"}},
      {"role_ref",
       "rbac.authorization.k8s.io",
       "RoleBinding",
       binding("r"),
       binding("s"),
       {"roleRef: Invalid value: "
        "{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"Role\",\"name\":\"s\"}: cannot "
        "change roleRef"}},
      {"name",
       "",
       "ConfigMap",
       R"({"metadata":{"name":"a","namespace":"n"}})",
       R"({"metadata":{"name":"b","namespace":"n"}})",
       {"metadata.name: Invalid value: \"b\": field is immutable"}},
      {"priority",
       "scheduling.k8s.io",
       "PriorityClass",
       R"({"metadata":{"name":"p"},"value":1})",
       R"({"metadata":{"name":"p"},"value":2})",
       {"value: Forbidden: may not be changed in an update."}},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, UpdateTest, testing::ValuesIn(update_rows()), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(Validate, GivesTheReasonsThatClientsSwitchOn) {
  const auto& kind = *catalog().find("", "v1", "Pod");
  const auto document =
      decoded(kind, pod(R"("ports":[{"containerPort":0}],)", R"("restartPolicy":"x",)"));

  std::vector<std::string> reasons;
  for (const auto& fault : validate(kind, document->root(), {})) {
    reasons.push_back(fault.reason);
  }

  EXPECT_THAT(reasons,
              testing::UnorderedElementsAre("FieldValueInvalid", "FieldValueNotSupported"));
}

TEST(Tables, NameOnlyFormatsThatExist) {
  for (const auto& type : catalog().types()) {
    for (const auto& field : type->fields) {
      EXPECT_TRUE(field.format.empty() || is_known_format(field.format))
          << type->name << '.' << field.name;
    }
  }
  for (const auto& kind : catalog().kinds()) {
    EXPECT_TRUE(is_known_format(kind->name_format)) << kind->kind;
  }
}

/// What the registry adds to a decoded object does not stand in the order of the tables.
TEST(Validate, FindsFaultsInMembersOfAnyOrder) {
  const auto& kind = *catalog().find("", "v1", "Pod");
  const auto document = Document::from_canonical(
      R"({"spec":{"unknown":1,"restartPolicy":"Sometimes","containers":[{"image":"i","name":"C"}]},)"
      R"("metadata":{"namespace":"n","name":"p"}})");

  std::vector<std::string> fields;
  for (const auto& fault : validate(kind, document->root(), object::View{})) {
    fields.push_back(fault.field);
  }

  EXPECT_THAT(fields, testing::IsSupersetOf({"spec.restartPolicy", "spec.containers[0].name"}));
}

}  // namespace
}  // namespace tetrarch::schema
