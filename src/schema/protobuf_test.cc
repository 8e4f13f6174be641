// SPDX-License-Identifier: Apache-2.0
#include "schema/protobuf.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/decode.h"
#include "schema/protobuf_numbers.h"

namespace tetrarch::schema {
namespace {

using testing::HasSubstr;

const Catalog& catalog() {
  static const auto loaded = Catalog::load_builtin().value();
  return *loaded;
}

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) {
    out += static_cast<char>(0x80 | (value & 0x7f));
  }
  return out + static_cast<char>(value);
}

/// A number or boolean field.
std::string num(unsigned field, std::int64_t value) {
  return varint(field << 3) + varint(static_cast<std::uint64_t>(value));
}

/// A text, bytes or message field.
std::string msg(unsigned field, std::string_view bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

std::string entry(unsigned field, std::string_view key, std::string_view value) {
  return msg(field, msg(1, key) + msg(2, value));
}

std::string body(std::string_view api_version, std::string_view kind, std::string_view raw) {
  return std::string("k8s\0", 4) + msg(1, msg(1, api_version) + msg(2, kind)) + msg(2, raw) +
         msg(3, "") + msg(4, "");
}

/// What Go's encoder writes of an ObjectMeta that has only a name.
std::string metadata(std::string_view name) {
  return msg(1, name) + msg(2, "") + msg(3, "") + msg(4, "") + msg(5, "") + msg(6, "") + num(7, 0) +
         msg(8, "");
}

std::string json(std::string_view bytes) {
  const auto result = json_of_protobuf(catalog(), bytes);
  return result.ok() ? *result : "error: " + result.error().message;
}

TEST(Protobuf, EveryFieldOfTheTablesHasANumber) {
  const auto& numbers = ProtobufNumbers::builtin();
  ASSERT_TRUE(numbers.ok()) << numbers.error().message;
  const auto names = [](const ProtobufMessage& message, auto& self) -> std::vector<std::string> {
    std::vector<std::string> out;
    for (const auto& field : message.fields) {
      if (field.embedded == nullptr) {
        out.push_back(field.name);
        continue;
      }
      const auto inner = self(*field.embedded, self);
      EXPECT_FALSE(inner.empty()) << field.name;
      out.insert(out.end(), inner.begin(), inner.end());
    }
    return out;
  };
  for (const auto& type : catalog().types()) {
    const auto* message = numbers->find(type->full_name);
    ASSERT_NE(message, nullptr) << type->full_name;
    const auto known = names(*message, names);
    // The kind and version of an object stand in its envelope, and nowhere for one in another.
    const bool is_object = std::any_of(catalog().kinds().begin(),
                                       catalog().kinds().end(),
                                       [&](auto& k) { return k->type == type.get(); }) ||
                           type->name == "PersistentVolumeClaim";
    for (const auto& field : type->fields) {
      if (!is_object || (field.name != "kind" && field.name != "apiVersion")) {
        EXPECT_THAT(known, testing::Contains(field.name)) << type->full_name;
      }
    }
  }
}

TEST(Protobuf, LeavesOutTheZerosThatNobodyGave) {
  EXPECT_EQ(
      json(body("v1", "Namespace", msg(1, metadata("a")) + msg(2, "") + msg(3, msg(1, "")))),
      R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a"},"spec":{},"status":{}})");
}

TEST(Protobuf, ReadsMapsOfTextsAndBytes) {
  EXPECT_EQ(json(body("v1",
                      "ConfigMap",
                      msg(1, metadata("c")) + entry(2, "b", "2\n\"") + entry(2, "a", "1") +
                          entry(2, "b", "3") + msg(2, msg(1, "empty")) +
                          entry(3, "k", std::string("\0\xff", 2)) + num(4, 0))),
            R"({"kind":"ConfigMap","apiVersion":"v1","binaryData":{"k":"AP8="},)"
            R"("data":{"a":"1","b":"3","empty":""},"immutable":false,"metadata":{"name":"c"}})");
}

/// A probe's handler and a volume's source are embedded.
std::string deployment() {
  const auto handler = msg(2, msg(1, "/") + msg(2, num(1, 1) + num(2, 0) + msg(3, "http")));
  const auto probe = msg(1, handler) + num(2, 0) + num(3, 5);
  const auto resources = msg(1, msg(1, "cpu") + msg(2, msg(1, "250m")));
  const auto port = msg(1, "http") + num(2, 0) + num(3, 80) + msg(4, "") + msg(5, "");
  const auto selected = msg(1, msg(1, "config")) + msg(2, "key");
  const auto env = msg(1, "E") + msg(2, "") + msg(3, msg(3, selected));
  const auto container = msg(1, "c") + msg(2, "i") + msg(3, "run") + msg(3, "") + msg(6, port) +
                         msg(7, env) + msg(8, resources) + msg(10, probe) + num(16, 1);
  const auto volume = msg(1, "v") + msg(2, msg(2, ""));
  const auto security = num(4, 7) + num(4, 8);
  const auto pod = msg(1, volume) + msg(2, container) + num(4, 0) + msg(14, security);
  const auto surge = num(1, 0) + num(2, 1) + msg(3, "");
  const auto spec = num(1, 0) + msg(2, entry(1, "app", "x")) +
                    msg(3, msg(1, metadata("") + entry(11, "app", "x")) + msg(2, pod)) +
                    msg(4, msg(1, "RollingUpdate") + msg(2, msg(2, surge))) + num(5, 0);
  const auto meta = metadata("d") + msg(9, num(1, 1'700'000'000) + num(2, 5)) + num(10, -1);
  return msg(1, meta) + msg(2, spec) + msg(3, num(1, 0));
}

TEST(Protobuf, ReadsADeployment) {
  const auto text = json(body("apps/v1", "Deployment", deployment()));
  const auto parsed = Document::parse(text);
  ASSERT_TRUE(parsed.ok()) << text;
  const auto root = (*parsed)->root();
  const auto pod = root.find("spec.template.spec");
  const auto container = pod["containers"].at(0);

  EXPECT_EQ(root.find("metadata").raw(),
            R"({"deletionGracePeriodSeconds":-1,"deletionTimestamp":"2023-11-14T22:13:20Z",)"
            R"("name":"d"})");
  EXPECT_EQ(root.find("spec.replicas").raw(), "0");
  EXPECT_EQ(root.find("spec.minReadySeconds").raw(), "null");
  EXPECT_EQ(root.find("spec.strategy").raw(),
            R"({"rollingUpdate":{"maxSurge":1},"type":"RollingUpdate"})");
  EXPECT_EQ(root.find("spec.template.metadata").raw(), R"({"labels":{"app":"x"}})");
  EXPECT_EQ(pod["volumes"].raw(), R"([{"emptyDir":{},"name":"v"}])");
  EXPECT_EQ(pod["terminationGracePeriodSeconds"].raw(), "0");
  EXPECT_EQ(pod["securityContext"].raw(), R"({"supplementalGroups":[7,8]})");
  EXPECT_EQ(container["command"].raw(), R"(["run",""])");
  EXPECT_EQ(container["ports"].raw(), R"([{"containerPort":80,"name":"http"}])");
  EXPECT_EQ(container["env"].raw(),
            R"([{"name":"E","valueFrom":{"configMapKeyRef":{"key":"key","name":"config"}}}])");
  EXPECT_EQ(container.find("resources.limits").raw(), R"({"cpu":"250m"})");
  EXPECT_EQ(container["livenessProbe"].raw(),
            R"({"httpGet":{"path":"/","port":"http"},"timeoutSeconds":5})");
  EXPECT_EQ(container["stdin"].raw(), "true");
  const auto* kind = catalog().find("apps", "v1", "Deployment");
  const auto decoded = decode(*kind, text, Unknown::refuse);
  EXPECT_TRUE(decoded.ok()) << decoded.error().message;
}

struct Row {
  std::string_view name;
  std::string bytes;
  std::string json;  ///< or a part of the error
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

class ProtobufForms : public testing::TestWithParam<Row> {};

TEST_P(ProtobufForms, AreTheirJson) {
  EXPECT_EQ(json(GetParam().bytes), GetParam().json);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    ProtobufForms,
    testing::ValuesIn(std::vector<Row>{
        {"delete_options_of_any_group",
         body("apps/v1", "DeleteOptions", num(1, 0) + num(3, 0) + msg(4, "Background")),
         R"({"kind":"DeleteOptions","apiVersion":"apps/v1","gracePeriodSeconds":0,)"
         R"("orphanDependents":false,"propagationPolicy":"Background"})"},
        {"unknown_numbers_are_passed_over",
         body("v1",
              "ConfigMap",
              num(99, 1) + msg(98, "x") + varint(97 << 3 | 1) + "12345678" + varint(96 << 3 | 5) +
                  "1234" + num(4, 1)),
         R"({"kind":"ConfigMap","apiVersion":"v1","immutable":true})"},
        {"micro_times",
         body("coordination.k8s.io/v1",
              "Lease",
              msg(2, msg(3, num(1, 1'700'000'000) + num(2, 1999)) + msg(4, "") + num(5, 3))),
         R"({"kind":"Lease","apiVersion":"coordination.k8s.io/v1","spec":{)"
         R"("acquireTime":"2023-11-14T22:13:20.000001Z","leaseTransitions":3}})"},
        {"a_map_of_lists",
         body("authorization.k8s.io/v1",
              "SubjectAccessReview",
              msg(2, entry(5, "k", msg(1, "a") + msg(1, "b")))),
         R"({"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{)"
         R"("extra":{"k":["a","b"]}}})"},
        {"free_json",
         body("apps/v1", "ControllerRevision", msg(2, msg(1, R"( {"a" : [1]} )")) + num(3, 0)),
         R"({"kind":"ControllerRevision","apiVersion":"apps/v1","data":{"a":[1]},"revision":0})"},
        // Source: kube-aggregator, pkg/apis/apiregistration/v1/generated.proto.
        {"an_api_service",
         body("apiregistration.k8s.io/v1",
              "APIService",
              msg(1, metadata("v1.a")) +
                  msg(2,
                      msg(1, msg(1, "ns") + msg(2, "svc") + num(3, 0)) + msg(2, "a") +
                          msg(3, "v1") + num(4, 1) + msg(5, "ca") + num(7, 0) + num(8, 15)) +
                  msg(3,
                      msg(1,
                          msg(1, "Available") + msg(2, "True") + msg(3, num(1, 1'700'000'000)) +
                              msg(4, "Passed") + msg(5, "all checks passed")))),
         R"({"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1",)"
         R"("metadata":{"name":"v1.a"},"spec":{"caBundle":"Y2E=","group":"a",)"
         R"("groupPriorityMinimum":0,"insecureSkipTLSVerify":true,)"
         R"("service":{"name":"svc","namespace":"ns","port":0},"version":"v1",)"
         R"("versionPriority":15},"status":{"conditions":[{)"
         R"("lastTransitionTime":"2023-11-14T22:13:20Z","message":"all checks passed",)"
         R"("reason":"Passed","status":"True","type":"Available"}]}})"},
        {"of_a_repeated_message_the_parts_are_merged",
         body("v1", "Namespace", msg(1, msg(1, "a")) + msg(1, msg(2, "g") + msg(1, "b"))),
         R"({"kind":"Namespace","apiVersion":"v1","metadata":{"generateName":"g","name":"b"}})"},
    }),
    [](const auto& row) { return std::string{row.param.name}; });

std::string pod_of_groups(std::string_view groups) {
  return body("v1", "Pod", msg(2, msg(14, groups)));
}

class ProtobufRefusals : public testing::TestWithParam<Row> {};

TEST_P(ProtobufRefusals, SayWhy) {
  const auto result = json_of_protobuf(catalog(), GetParam().bytes);

  ASSERT_FALSE(result.ok()) << *result;
  EXPECT_EQ(result.error().code, Code::malformed);
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().json));
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    ProtobufRefusals,
    testing::ValuesIn(std::vector<Row>{
        {"nothing", "", "does not begin with"},
        {"json", "{}", "does not begin with"},
        {"no_envelope", std::string("k8s\0", 4), "'Kind' is missing"},
        {"unknown_kind", body("v1", "Bogus", ""), R"(no kind "Bogus" is registered for version)"},
        {"kind_not_utf8", body("v1", "\xff", ""), "not UTF-8"},
        {"cut_off", body("v1", "Pod", msg(1, "xy")).substr(0, 20), "ends in the middle"},
        {"length_beyond_the_end", body("v1", "Pod", "\x0a\x7f"), "ends in the middle of a field"},
        {"length_of_64_bits",
         body("v1", "Pod", "\x0a" + varint(~std::uint64_t{0})),
         "ends in the middle of a field"},
        {"endless_number", body("v1", "Pod", std::string(12, '\xff')), "more than 64 bits"},
        {"number_zero", body("v1", "Pod", std::string(2, '\0')), "0 is no field number"},
        {"group", body("v1", "Pod", "\x0b"), "wire type 3 of field 1"},
        {"wrong_wire", body("v1", "Pod", num(1, 1)), "wrong wire type 0 of field 1 (in metadata)"},
        {"text_not_utf8", body("v1", "Pod", msg(1, msg(1, "\xc3"))), "not UTF-8 (in name) (in me"},
        {"packed_and_cut_off", pod_of_groups(msg(4, "\x81")), "middle of a number"},
        {"free_content_no_json",
         body("apps/v1", "ControllerRevision", msg(2, msg(1, R"(1,"x":2)"))),
         "free content is no JSON"},
        {"year_10000",
         body("v1", "Pod", msg(1, msg(8, num(1, 253'402'300'800)))),
         "outside the years 1 to 9999"},
        {"negative_nanoseconds",
         body("v1", "Pod", msg(1, msg(8, num(1, 1) + num(2, -1)))),
         "outside the years"},
        {"int_or_string_of_type_2",
         body("v1", "Service", msg(2, msg(1, msg(4, num(1, 2))))),
         "type 2 of an IntOrString"},
    }),
    [](const auto& row) { return std::string{row.param.name}; });

TEST(Protobuf, ReadsPackedNumbers) {
  EXPECT_EQ(json(pod_of_groups(msg(4, varint(1) + varint(300)) + num(4, 5))),
            R"({"kind":"Pod","apiVersion":"v1","spec":{"securityContext":{)"
            R"("supplementalGroups":[1,300,5]}}})");
}

/// xorshift: the same bytes in every run.
class Noise {
 public:
  std::uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }

 private:
  std::uint32_t state_ = 2463534242;
};

TEST(Protobuf, AnyBytesGiveJsonOrAnError) {
  Noise noise;
  const auto whole = deployment();
  std::size_t read = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto raw = whole.substr(0, round % 2 == 0 ? whole.size() : noise.next() % whole.size());
    for (auto changes = noise.next() % 4; changes > 0 && !raw.empty(); --changes) {
      raw[noise.next() % raw.size()] = static_cast<char>(noise.next());
    }
    const auto result = json_of_protobuf(catalog(), body("apps/v1", "Deployment", raw));
    if (result.ok()) {
      ++read;
      EXPECT_TRUE(Document::parse(*result).ok()) << *result;
    } else {
      EXPECT_EQ(result.error().code, Code::malformed) << result.error().message;
    }
  }
  EXPECT_GT(read, 1000U);
}

TEST(Protobuf, ReadsTheJobThatKubectlCreates) {
  const auto container = msg(1, "hello") + msg(2, "busybox") + msg(3, "echo") + msg(3, "hi");
  const auto pod = msg(2, container) + msg(3, "Never");
  const auto spec = msg(6, msg(1, metadata("")) + msg(2, pod));

  EXPECT_EQ(json(body("batch/v1", "Job", msg(1, metadata("hello")) + msg(2, spec) + msg(3, ""))),
            R"({"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"hello"},)"
            R"("spec":{"template":{"metadata":{},"spec":{"containers":[{"command":["echo","hi"],)"
            R"("image":"busybox","name":"hello"}],)"
            R"("restartPolicy":"Never"}}},"status":{}})");
}

}  // namespace
}  // namespace tetrarch::schema
