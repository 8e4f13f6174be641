// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Using RBAC Authorization", roles for built-in controllers.
#include "registry/rbac_controllers.h"

#include <array>

namespace tetrarch::registry {

namespace {

constexpr auto kRoles = std::to_array<ControllerRole>({
    {"cronjob-controller",
     "get,list,update,watch @ batch : cronjobs;"
     "create,delete,get,list,patch,update,watch @ batch : jobs;update @ batch : cronjobs/status;"
     "update @ batch : cronjobs/finalizers;delete,list @ core : pods;"
     "create,patch,update @ core,events.k8s.io : events"},
    {"daemon-set-controller",
     "get,list,watch @ apps,extensions : daemonsets;update @ apps,extensions : daemonsets/status;"
     "update @ apps,extensions : daemonsets/finalizers;list,watch @ core : nodes;"
     "create,delete,list,patch,watch @ core : pods;create @ core : pods/binding;"
     "create,delete,get,list,patch,update,watch @ apps : controllerrevisions;"
     "create,patch,update @ core,events.k8s.io : events"},
    {"deployment-controller",
     "get,list,update,watch @ apps,extensions : deployments;"
     "update @ apps,extensions : deployments/status;"
     "update @ apps,extensions : deployments/finalizers;"
     "create,delete,get,list,patch,update,watch @ apps,extensions : replicasets;"
     "get,list,update,watch @ core : pods;create,patch,update @ core,events.k8s.io : events"},
    {"job-controller",
     "get,list,patch,update,watch @ batch : jobs;update @ batch : jobs/status;"
     "update @ batch : jobs/finalizers;create,delete,list,patch,watch @ core : pods;"
     "create,patch,update @ core,events.k8s.io : events"},
    {"replicaset-controller",
     "get,list,update,watch @ apps,extensions : replicasets;"
     "update @ apps,extensions : replicasets/status;"
     "update @ apps,extensions : replicasets/finalizers;"
     "create,delete,list,patch,watch @ core : pods;"
     "create,patch,update @ core,events.k8s.io : events"},
    {"replication-controller",
     "get,list,update,watch @ core : replicationcontrollers;"
     "update @ core : replicationcontrollers/status;"
     "update @ core : replicationcontrollers/finalizers;"
     "create,delete,list,patch,watch @ core : pods;"
     "create,patch,update @ core,events.k8s.io : events"},
    {"statefulset-controller",
     "list,watch @ core : pods;get,list,watch @ apps : statefulsets;"
     "update @ apps : statefulsets/status;update @ apps : statefulsets/finalizers;"
     "create,delete,get,patch,update @ core : pods;"
     "create,delete,get,list,patch,update,watch @ apps : controllerrevisions;"
     "create,get @ core : persistentvolumeclaims;"
     "create,patch,update @ core,events.k8s.io : events;"
     "delete,update @ core : persistentvolumeclaims"},
    {"ttl-after-finished-controller",
     "delete,get,list,watch @ batch : jobs;create,patch,update @ core,events.k8s.io : events"},
});

}  // namespace

std::span<const ControllerRole> controller_roles() {
  return kRoles;
}

}  // namespace tetrarch::registry
