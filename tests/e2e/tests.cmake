# SPDX-License-Identifier: Apache-2.0
# The end-to-end tests, for tests/suite/CMakeLists.txt: ROOT, RELEASE and TIER are set there.
# Each module makes a cluster with directories, addresses and ports of its own. They run one at a time all the same:
# they measure times, and two clusters on two cores would make each other late.

function(add_e2e subject timeout)
  add_test(NAME e2e.${subject} COMMAND ${ROOT}/tests/e2e/run test_${subject})
  set_tests_properties(e2e.${subject} PROPERTIES LABELS e2e TIMEOUT ${timeout} RUN_SERIAL TRUE)
endfunction()

add_e2e(first_path 300)
add_e2e(kubectl 600)
add_e2e(rollout 600)
add_e2e(pods 600)
add_e2e(bad_input 300)
add_e2e(api 300)
add_e2e(restarts 600)
add_e2e(server_agent 300)
add_e2e(security 300)
add_e2e(probes 300)
add_e2e(network 300)
add_e2e(services 300)
add_e2e(volumes 300)
add_e2e(logs 300)
add_e2e(down 300)
add_e2e(cli 300)
add_e2e(two_clusters 300)

# Programs of other folders that need the release build or a real containerd.
set(kill_rounds 20)
if(TIER STREQUAL "full")
  set(kill_rounds 100)
endif()
add_test(NAME e2e.store_kill COMMAND ${RELEASE}/kill_store --rounds ${kill_rounds})
set_tests_properties(e2e.store_kill PROPERTIES LABELS e2e TIMEOUT 900)
add_test(NAME e2e.runtime_containers COMMAND ${RELEASE}/runtime_containers_test)
set_tests_properties(e2e.runtime_containers PROPERTIES LABELS e2e TIMEOUT 300 RUN_SERIAL TRUE)
add_test(NAME e2e.runtime_grpc_call COMMAND ${RELEASE}/runtime_grpc_call_test)
set_tests_properties(e2e.runtime_grpc_call PROPERTIES LABELS e2e TIMEOUT 120)
add_test(NAME e2e.runtime_agent COMMAND ${RELEASE}/runtime_agent_test)
set_tests_properties(e2e.runtime_agent PROPERTIES LABELS e2e TIMEOUT 300 RUN_SERIAL TRUE)
add_test(NAME e2e.runtime_volumes COMMAND ${RELEASE}/runtime_volumes_test)
set_tests_properties(e2e.runtime_volumes PROPERTIES LABELS e2e TIMEOUT 120)
