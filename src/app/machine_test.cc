// SPDX-License-Identifier: Apache-2.0
#include "app/machine.h"

#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

struct ServiceRow {
  const char* name;
  const char* cgroups;
  const char* service;
};

void PrintTo(const ServiceRow& row, std::ostream* out) {
  *out << row.name;
}

class ServiceOf : public testing::TestWithParam<ServiceRow> {};

TEST_P(ServiceOf, IsReadFromControlGroups) {
  EXPECT_EQ(service_of(GetParam().cgroups), GetParam().service);
}

constexpr ServiceRow kRows[] = {
    {"version_2", "0::/system.slice/tetrarch.service\n", "tetrarch.service"},
    {"below_it", "0::/system.slice/tetrarch.service/main\n", "tetrarch.service"},
    {"version_1",
     "9:memory:/system.slice/tetrarch.service\n1:name=systemd:/system.slice/tetrarch.service\n",
     "tetrarch.service"},
    {"session", "0::/user.slice/user-0.slice/session-1.scope\n", ""},
    {"of_a_user",
     "0::/user.slice/user-0.slice/user@0.service/app.slice/app.service\n",
     "app.service"},
    {"session_of_a_user", "0::/user.slice/user-0.slice/user@0.service/init.scope\n", ""},
    {"nothing", "", ""},
    {"root", "0::/\n", ""},
};

INSTANTIATE_TEST_SUITE_P(Table, ServiceOf, testing::ValuesIn(kRows), [](const auto& row) {
  return row.param.name;
});

}  // namespace
}  // namespace tetrarch::app
