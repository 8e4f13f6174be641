// SPDX-License-Identifier: Apache-2.0
#include "schema/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/computed_defaults.h"

namespace tetrarch::schema {
namespace {

const Catalog& catalog() {
  static const auto loaded = [] {
    auto result = Catalog::load_builtin();
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
    return std::move(result).value();
  }();
  return *loaded;
}

const Kind& kind(std::string_view group, std::string_view name) {
  const auto* found = catalog().find(group, "v1", name);
  EXPECT_NE(found, nullptr) << name;
  return *found;
}

std::string decoded(const Kind& of, std::string_view json, Unknown unknown = Unknown::warn) {
  const auto result = decode(of, json, unknown);
  return result.ok() ? result->document->bytes() : "error: " + result.error().message;
}

object::View root_of(const Result<Decoded>& result) {
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
  return result->document->root();
}

TEST(Decode, WritesKindApiVersionAndMetadataFirst) {
  EXPECT_EQ(
      decoded(kind("", "ConfigMap"),
              R"( {"data": {"b":"2","a":"1"}, "metadata":{"name":"x"}, "apiVersion":"v1"} )"),
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":"1","b":"2"}})");
}

TEST(Decode, TakesTheResourceVersionOutOfTheMetadataOnly) {
  const auto result =
      decode(kind("", "Binding"),
             R"({"metadata":{"name":"x","resourceVersion":"7"},"target":{"resourceVersion":"8"}})",
             Unknown::refuse);

  EXPECT_EQ(result->resource_version, "7");
  EXPECT_EQ(result->document->bytes(),
            R"({"kind":"Binding","apiVersion":"v1","metadata":{"name":"x"},"target":{)"
            R"("resourceVersion":"8"}})");
}

struct AmountRow {
  std::string_view written;
  std::string_view printed;
};

TEST(Decode, PrintsQuantitiesInCanonicalForm) {
  // What a kube-apiserver answers to each: applying the same manifest again changes nothing.
  constexpr AmountRow kRows[] = {
      {R"("1000m")", "1"},
      {R"("1500m")", "1500m"},
      {R"("0.1")", "100m"},
      {R"("1.5")", "1500m"},
      {"2", "2"},
      {"0.5", "500m"},
      {R"("0.5Gi")", "512Mi"},
      {R"("1.5Gi")", "1536Mi"},
      {R"("1024Mi")", "1Gi"},
      {R"("1000Mi")", "1000Mi"},
      {R"("1024")", "1024"},
      {R"("1000")", "1k"},
      {R"("1e3")", "1e3"},
      {R"("1e4")", "10e3"},
      {R"("0")", "0"},
      {R"("00.0Gi")", "0"},
      {R"("+5")", "5"},
      {R"("1000k")", "1M"},
  };
  for (const auto& row : kRows) {
    const auto made = decode(kind("", "Pod"),
                             R"({"spec":{"overhead":{"cpu":)" + std::string(row.written) + "}}}",
                             Unknown::refuse);
    ASSERT_TRUE(made.ok()) << row.written;
    EXPECT_EQ(made->document->root().find("spec.overhead.cpu").string(), row.printed)
        << row.written;
  }
}

TEST(Decode, DropsNullsAndEmptyListsAndMaps) {
  EXPECT_EQ(decoded(kind("", "ServiceAccount"),
                    R"({"metadata":{"name":"x","creationTimestamp":null,"labels":{}},"secrets":[],)"
                    R"("imagePullSecrets":null})"),
            R"({"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"x"}})");
}

TEST(Decode, KeepsManagedFieldsAsTheyAre) {
  const auto result = decode(
      kind("", "ConfigMap"),
      R"({"metadata":{"name":"x","managedFields":[{"manager":"m","fieldsV1":{"f:b":{},"f:a":{)"
      R"(".":{}}}}]}})",
      Unknown::warn);

  EXPECT_EQ(root_of(result).find("metadata.managedFields").at(0)["fieldsV1"].raw(),
            R"({"f:b":{},"f:a":{".":{}}})");
}

TEST(Decode, FillsAPodAsKubernetesDoes) {
  const auto result = decode(kind("", "Pod"),
                             R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c",
      "image":"r:5000/i","ports":[{"containerPort":80}],
      "resources":{"limits":{"cpu":1,"memory":"1Gi"},"requests":{"memory":"1Mi"}},
      "livenessProbe":{"httpGet":{"port":"http"}}}],
      "volumes":[{"name":"v"},{"name":"s","secret":{"secretName":"x"}}]}})",
                             Unknown::refuse);

  EXPECT_EQ(
      root_of(result)["spec"].raw(),
      R"({"containers":[{"image":"r:5000/i","imagePullPolicy":"Always",)"
      R"("livenessProbe":{"failureThreshold":3,"httpGet":{"path":"/","port":"http",)"
      R"("scheme":"HTTP"},)"
      R"("periodSeconds":10,"successThreshold":1,"timeoutSeconds":1},"name":"c",)"
      R"("ports":[{"containerPort":80,"protocol":"TCP"}],)"
      R"("resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1","memory":"1Mi"}},)"
      R"("terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],)"
      R"("dnsPolicy":"ClusterFirst","enableServiceLinks":true,"restartPolicy":"Always",)"
      R"("schedulerName":"default-scheduler","securityContext":{},)"
      R"("terminationGracePeriodSeconds":30,)"
      R"("volumes":[{"emptyDir":{},"name":"v"},{"name":"s","secret":{"defaultMode":420,)"
      R"("secretName":"x"}}]})");
}

struct DefaultRow {
  std::string_view name;
  std::string_view group;
  std::string_view kind;
  std::string_view body;
  std::string_view path;
  std::string_view json;  ///< "null": nothing there
};

void PrintTo(const DefaultRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kDefaultRows = std::to_array<DefaultRow>({
    {"deployment_strategy",
     "apps",
     "Deployment",
     R"({"spec":{}})",
     "spec.strategy",
     R"({"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"})"},
    {"recreate_has_no_rolling_update",
     "apps",
     "Deployment",
     R"({"spec":{"strategy":{"type":"Recreate"}}})",
     "spec.strategy",
     R"({"type":"Recreate"})"},
    {"half_a_rolling_update",
     "apps",
     "Deployment",
     R"({"spec":{"strategy":{"rollingUpdate":{"maxSurge":1}}}})",
     "spec.strategy",
     R"({"rollingUpdate":{"maxSurge":1,"maxUnavailable":"25%"},"type":"RollingUpdate"})"},
    {"replicas", "apps", "Deployment", R"({"spec":{}})", "spec.replicas", "1"},
    {"zero_replicas_stay",
     "apps",
     "Deployment",
     R"({"spec":{"replicas":0}})",
     "spec.replicas",
     "0"},
    {"history", "apps", "Deployment", R"({"spec":{}})", "spec.revisionHistoryLimit", "10"},
    {"progress_deadline",
     "apps",
     "Deployment",
     R"({"spec":{}})",
     "spec.progressDeadlineSeconds",
     "600"},
    {"labels_are_not_taken_from_the_template",
     "apps",
     "Deployment",
     R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})",
     "metadata.labels",
     "null"},
    {"templates_get_no_service_links",
     "apps",
     "Deployment",
     R"({"spec":{"template":{"spec":{}}}})",
     "spec.template.spec.enableServiceLinks",
     "null"},
    {"templates_get_restart_policy",
     "apps",
     "Deployment",
     R"({"spec":{"template":{"spec":{}}}})",
     "spec.template.spec.restartPolicy",
     R"("Always")"},
    {"templates_requests_are_not_filled",
     "apps",
     "Deployment",
     R"({"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"1"}}}]}}}})",
     "spec.template.spec.containers",
     R"([{"imagePullPolicy":"Always","resources":{"limits":{"cpu":"1"}},)"
     R"("terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}])"},
    {"empty_string_gets_the_default",
     "",
     "Pod",
     R"({"spec":{"restartPolicy":""}})",
     "spec.restartPolicy",
     R"("Always")"},
    {"service_account_mirror",
     "",
     "Pod",
     R"({"spec":{"serviceAccountName":"a"}})",
     "spec.serviceAccount",
     R"("a")"},
    {"service_account_name_from_mirror",
     "",
     "Pod",
     R"({"spec":{"serviceAccount":"a"}})",
     "spec.serviceAccountName",
     R"("a")"},
    {"service_account_name_wins",
     "",
     "Pod",
     R"({"spec":{"serviceAccount":"b","serviceAccountName":"a"}})",
     "spec.serviceAccount",
     R"("a")"},
    {"host_network_ports",
     "",
     "Pod",
     R"({"spec":{"hostNetwork":true,"containers":[{"image":"a:1","ports":[{)"
     R"("containerPort":80}]}]}})",
     "spec.containers",
     R"([{"image":"a:1","imagePullPolicy":"IfNotPresent","ports":[{"containerPort":80,)"
     R"("hostPort":80,"protocol":"TCP"}],)"
     R"("resources":{},"terminationMessagePath":"/dev/termination-log",)"
     R"("terminationMessagePolicy":"File"}])"},
    {"host_network_port_of_zero_is_none",
     "",
     "Pod",
     R"({"spec":{"hostNetwork":true,"containers":[{"image":"a:1","ports":[{"containerPort":80,)"
     R"("hostPort":0},{"containerPort":81,"hostPort":82}]}]}})",
     "spec.containers",
     R"([{"image":"a:1","imagePullPolicy":"IfNotPresent","ports":[{"containerPort":80,)"
     R"("hostPort":80,"protocol":"TCP"},{"containerPort":81,"hostPort":82,"protocol":"TCP"}],)"
     R"("resources":{},"terminationMessagePath":"/dev/termination-log",)"
     R"("terminationMessagePolicy":"File"}])"},
    {"host_network_ports_of_a_template_are_left",
     "apps",
     "Deployment",
     R"({"spec":{"template":{"spec":{"hostNetwork":true,"containers":[{"image":"a:1","ports":[{)"
     R"("containerPort":80}]}]}}}})",
     "spec.template.spec.containers",
     R"([{"image":"a:1","imagePullPolicy":"IfNotPresent","ports":[{"containerPort":80,)"
     R"("protocol":"TCP"}],)"
     R"("resources":{},"terminationMessagePath":"/dev/termination-log",)"
     R"("terminationMessagePolicy":"File"}])"},
    {"service_with_external_addresses",
     "",
     "Service",
     R"({"spec":{"externalIPs":["192.0.2.7"]}})",
     "spec.externalTrafficPolicy",
     R"("Cluster")"},
    {"service_with_no_external_address",
     "",
     "Service",
     R"({"spec":{"externalIPs":[]}})",
     "spec.externalTrafficPolicy",
     "null"},
    {"service_type",
     "",
     "Service",
     R"({"spec":{}})",
     "spec",
     R"({"internalTrafficPolicy":"Cluster","sessionAffinity":"None","type":"ClusterIP"})"},
    {"node_port_service",
     "",
     "Service",
     R"({"spec":{"type":"NodePort","ports":[{"port":80}]}})",
     "spec",
     R"({"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster",)"
     R"("ports":[{"port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"None",)"
     R"("type":"NodePort"})"},
    {"external_name_service",
     "",
     "Service",
     R"({"spec":{"type":"ExternalName","externalName":"a.b"}})",
     "spec",
     R"({"externalName":"a.b","sessionAffinity":"None","type":"ExternalName"})"},
    {"client_ip_affinity",
     "",
     "Service",
     R"({"spec":{"sessionAffinity":"ClientIP"}})",
     "spec.sessionAffinityConfig",
     R"({"clientIP":{"timeoutSeconds":10800}})"},
    {"secret_type", "", "Secret", "{}", "type", R"("Opaque")"},
    {"string_data_wins",
     "",
     "Secret",
     R"({"data":{"a":"eA==","b":"eQ=="},"stringData":{"a":"hi"}})",
     "data",
     R"({"a":"aGk=","b":"eQ=="})"},
    {"string_data_is_gone", "", "Secret", R"({"stringData":{"a":"hi"}})", "stringData", "null"},
    {"user_subject",
     "rbac.authorization.k8s.io",
     "RoleBinding",
     R"({"roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"u"},{)"
     R"("kind":"ServiceAccount","name":"s"}]})",
     "subjects",
     R"([{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"u"},{)"
     R"("kind":"ServiceAccount","name":"s"}])"},
    {"role_ref",
     "rbac.authorization.k8s.io",
     "RoleBinding",
     R"({"roleRef":{"kind":"Role","name":"r"}})",
     "roleRef.apiGroup",
     R"("rbac.authorization.k8s.io")"},
    {"priority_class",
     "scheduling.k8s.io",
     "PriorityClass",
     R"({"value":1})",
     "preemptionPolicy",
     R"("PreemptLowerPriority")"},
    {"endpoint_slice_ports",
     "discovery.k8s.io",
     "EndpointSlice",
     R"({"ports":[{"port":1}]})",
     "ports",
     R"([{"name":"","port":1,"protocol":"TCP"}])"},
    {"namespace_label",
     "",
     "Namespace",
     R"({"metadata":{"name":"n"}})",
     "metadata.labels",
     R"({"kubernetes.io/metadata.name":"n"})"},
    {"absent_metadata", "", "Pod", R"({"spec":{}})", "metadata", "{}"},
    {"field_ref_version",
     "",
     "Pod",
     R"({"spec":{"volumes":[{"downwardAPI":{"items":[{"path":"a","fieldRef":{)"
     R"("fieldPath":"x"}}]}}]}})",
     "spec.volumes",
     R"([{"downwardAPI":{"defaultMode":420,"items":[{"fieldRef":{"apiVersion":"v1",)"
     R"("fieldPath":"x"},"path":"a"}]}}])"},
    {"time_is_utc",
     "",
     "Pod",
     R"({"status":{"startTime":"2024-01-01T01:00:00+01:00"}})",
     "status.startTime",
     R"("2024-01-01T00:00:00Z")"},
    {"micro_time",
     "coordination.k8s.io",
     "Lease",
     R"({"spec":{"renewTime":"2024-01-01T00:00:00.5Z"}})",
     "spec.renewTime",
     R"("2024-01-01T00:00:00.500000Z")"},
});

class DefaultTest : public testing::TestWithParam<DefaultRow> {};

TEST_P(DefaultTest, IsWritten) {
  const auto& row = GetParam();

  const auto result = decode(kind(row.group, row.kind), row.body, Unknown::refuse);

  EXPECT_EQ(root_of(result).find(row.path).raw(), row.json);
}

INSTANTIATE_TEST_SUITE_P(Table, DefaultTest, testing::ValuesIn(kDefaultRows), [](const auto& row) {
  return std::string{row.param.name};
});

struct RefusalRow {
  std::string_view name;
  std::string_view group;
  std::string_view kind;
  std::string_view body;
  std::string_view message;
};

void PrintTo(const RefusalRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kRefusalRows = std::to_array<RefusalRow>({
    {"wrong_scalar",
     "apps",
     "Deployment",
     R"({"spec":{"replicas":"3"}})",
     "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal "
     "string into Go struct field "
     "DeploymentSpec.spec.replicas of type int32"},
    {"fraction",
     "apps",
     "Deployment",
     R"({"spec":{"replicas":1.5}})",
     "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal "
     "number 1.5 into Go struct "
     "field DeploymentSpec.spec.replicas of type int32"},
    {"out_of_range",
     "apps",
     "Deployment",
     R"({"spec":{"replicas":3000000000}})",
     "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal "
     "number 3000000000 into Go "
     "struct field DeploymentSpec.spec.replicas of type int32"},
    {"bool_as_env_value",
     "",
     "Pod",
     R"({"spec":{"containers":[{"env":[{"name":"a","value":true}]}]}})",
     "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal bool into Go struct "
     "field "
     "EnvVar.spec.containers.env.value of type string"},
    {"object_for_list",
     "",
     "Pod",
     R"({"spec":{"containers":{}}})",
     "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal object into Go "
     "struct field "
     "PodSpec.spec.containers of type []v1.Container"},
    {"number_as_label",
     "",
     "Pod",
     R"({"metadata":{"labels":{"a":1}}})",
     "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal number into Go "
     "struct field "
     "ObjectMeta.metadata.labels of type string"},
    {"quantity",
     "",
     "Pod",
     R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}})",
     "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular "
     "expression "
     "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
    {"quantity_suffix",
     "",
     "Pod",
     R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"1mm"}}}]}})",
     "Pod in version \"v1\" cannot be handled as a Pod: unable to parse quantity's suffix"},
    {"base64",
     "",
     "Secret",
     R"({"data":{"a":"ab!d"}})",
     "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 2"},
    {"time",
     "",
     "Pod",
     R"({"status":{"startTime":"yesterday"}})",
     "Pod in version \"v1\" cannot be handled as a Pod: parsing time \"yesterday\" as "
     "\"2006-01-02T15:04:05Z07:00\": "
     "cannot parse \"yesterday\" as \"2006\""},
    {"api_version",
     "apps",
     "Deployment",
     R"({"apiVersion":"apps/v1beta1","kind":"Deployment"})",
     "the API version in the data (apps/v1beta1) does not match the expected API version "
     "(apps/v1)"},
    {"kind",
     "",
     "Pod",
     R"({"apiVersion":"v1","kind":"Service"})",
     "Service in version \"v1\" cannot be handled as a Pod: the kind in the data (Service) does "
     "not match the expected "
     "kind (Pod)"},
    {"unknown_and_duplicate",
     "apps",
     "Deployment",
     R"({"spec":{"replicas":1,"foo":1,"replicas":2,"template":{"spec":{"containers":[{)"
     R"("imag":"x"}]}}}})",
     "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: "
     "unknown field \"spec.foo\", "
     "duplicate field \"spec.replicas\", unknown field \"spec.template.spec.containers[0].imag\""},
});

class RefusalTest : public testing::TestWithParam<RefusalRow> {};

TEST_P(RefusalTest, SaysWhatKubernetesSays) {
  const auto& row = GetParam();

  const auto result = decode(kind(row.group, row.kind), row.body, Unknown::refuse);

  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::malformed);
  EXPECT_EQ(result.error().message, row.message);
}

INSTANTIATE_TEST_SUITE_P(Table, RefusalTest, testing::ValuesIn(kRefusalRows), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(Decode, RefusesWhatIsNoJsonObject) {
  for (const std::string_view body :
       {"", "{", "[]", "1", "{\"a\":}", "\xff", "{\"a\":\"\xc3\x28\"}"}) {
    const auto result = decode(kind("", "Pod"), body, Unknown::ignore);

    ASSERT_FALSE(result.ok()) << body;
    EXPECT_THAT(result.error().message,
                testing::StartsWith("the object provided is unrecognized (must be of type Pod)"));
  }
}

TEST(Decode, RefusesBodiesThatAreTooDeep) {
  std::string body = R"({"data":)" + std::string(5000, '[') + std::string(5000, ']') + "}";

  EXPECT_FALSE(decode(kind("apps", "ControllerRevision"), body, Unknown::ignore).ok());
}

TEST(Decode, WarnsOfUnknownFieldsAndDropsThem) {
  const auto result = decode(
      kind("", "ConfigMap"), R"({"data":{"a":"b"},"dat":1,"data":{"c":"d"}})", Unknown::warn);

  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->warnings,
              testing::ElementsAre("unknown field \"dat\"", "duplicate field \"data\""));
  EXPECT_EQ(result->document->root()["data"].raw(), R"({"c":"d"})");
}

TEST(Decode, SaysNothingWhenToldToIgnore) {
  const auto result = decode(kind("", "ConfigMap"), R"({"dat":1})", Unknown::ignore);

  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->warnings.empty());
}

TEST(Decode, LeavesOutNothingButUnknownWhenDoneTwice) {
  for (const auto& row : kDefaultRows) {
    const auto& of = kind(row.group, row.kind);
    const auto once = decoded(of, row.body);

    EXPECT_EQ(decoded(of, once), once) << row.name;
  }
}

void check_computed(const Type& type, const Field& field) {
  if (!field.default_json.starts_with('@')) {
    return;
  }
  const auto* computed = find_computed(field.default_json);
  ASSERT_NE(computed, nullptr) << type.name << '.' << field.name;
  EXPECT_EQ(computed->fill != nullptr, field.ref.shape == Shape::map) << field.name;
}

TEST(Tables, NameOnlyComputedDefaultsThatExist) {
  for (const auto& type : catalog().types()) {
    for (const auto& field : type->fields) {
      check_computed(*type, field);
    }
  }
}

/// A body of every kind with every field filled, as deep as types go.
void append_sample(std::string& out, const TypeRef& ref, int depth);

void append_object_sample(std::string& out, const Type& type, int depth) {
  out += '{';
  bool is_first = true;
  for (const auto& field : type.fields) {
    const bool is_identity = depth == 0 && (field.name == "kind" || field.name == "apiVersion");
    if (is_identity || field.is_write_only) {
      continue;
    }
    out += is_first ? "\"" : ",\"";
    out += field.name + "\":";
    is_first = false;
    append_sample(out, field.ref, depth + 1);
  }
  out += '}';
}

void append_sample(std::string& out, const TypeRef& ref, int depth) {
  switch (ref.shape) {
    case Shape::object:
      append_object_sample(out, *ref.type, depth);
      return;
    case Shape::list:
      out += '[';
      append_sample(out, *ref.element, depth);
      out += ']';
      return;
    case Shape::map:
      out += "{\"b\":";
      append_sample(out, *ref.element, depth);
      out += '}';
      return;
    case Shape::boolean:
      out += "true";
      return;
    case Shape::int32:
    case Shape::int64:
    case Shape::number:
    case Shape::int_or_string:
      out += "7";
      return;
    case Shape::time:
    case Shape::micro_time:
      out += "\"2024-01-01T00:00:00Z\"";
      return;
    case Shape::quantity:
      out += "\"1Gi\"";
      return;
    case Shape::any:
      out += R"({"z":[1,null,"x"],"a":1.5})";
      return;
    default:
      out += "\"text\"";
  }
}

class EveryKind : public testing::TestWithParam<std::string> {
 protected:
  static const Kind& of() {
    for (const auto& each : catalog().kinds()) {
      if (each->group + "/" + each->kind == GetParam()) {
        return *each;
      }
    }
    return *catalog().kinds().front();
  }
};

TEST_P(EveryKind, DecodesToTheSameBytesWhenDecodedAgain) {
  std::string full;
  append_object_sample(full, *of().type, 0);

  for (const std::string& body :
       {full, std::string{"{}"}, std::string{R"({"metadata":{"name":"x"}})"}}) {
    const auto once = decoded(of(), body, Unknown::ignore);
    ASSERT_FALSE(once.starts_with("error")) << once;

    EXPECT_EQ(decoded(of(), once, Unknown::refuse), once);
  }
}

TEST_P(EveryKind, KeepsEveryFieldOfAFullBody) {
  std::string full;
  append_object_sample(full, *of().type, 0);

  const auto result = decode(of(), full, Unknown::refuse);

  const auto root = root_of(result);
  for (const auto& field : of().type->fields) {
    EXPECT_TRUE(root[field.name].exists() || field.is_write_only) << field.name;
  }
}

std::vector<std::string> every_kind() {
  std::vector<std::string> names;
  for (const auto& each : catalog().kinds()) {
    names.push_back(each->group + "/" + each->kind);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Tables, EveryKind, testing::ValuesIn(every_kind()), [](const auto& row) {
  std::string name = row.param;
  for (char& c : name) {
    c = c == '/' || c == '.' ? '_' : c;
  }
  return name;
});

}  // namespace
}  // namespace tetrarch::schema
