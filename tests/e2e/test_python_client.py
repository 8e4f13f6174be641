# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes client for Python, as Debian packages it: objects, watches, streams, the dynamic client, elections."""
import contextlib
import http.client
import json
import logging
import sys
import threading

import kubernetes
from kubernetes import client, config, dynamic, stream, watch
from kubernetes.client.rest import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock

import harness
import machine
from harness import ClusterTest, container_of, make_deployment, make_pod, make_service
from machine import wait_until

logging.disable(logging.INFO)  # elections tell each step
TICKS = "n=0; while [ $n -lt 50 ]; do n=$((n+1)); echo tick $n; sleep 0.1; done; sleep 3600"


class PythonClient(ClusterTest):
    name = "python"

    @classmethod
    def start_cluster(cls):
        super().start_cluster()
        config.load_kube_config(f"{cls.cluster.data}/admin.kubeconfig")
        cls.core, cls.apps = client.CoreV1Api(), client.AppsV1Api()

    def config_map(self, name, labels=None, **data):
        meta = client.V1ObjectMeta(name=name, labels=labels)
        return self.core.create_namespaced_config_map(self.namespace, client.V1ConfigMap(metadata=meta, data=data))

    def assert_status(self, code, reason, call, *args, **more):
        with self.assertRaises(ApiException) as raised:
            call(*args, **more)
        said = json.loads(raised.exception.body)
        self.assertEqual((raised.exception.status, said["code"], said["reason"]), (code, code, reason))
        return said

    def pid(self, name):
        return min(pid for pid, _ in machine.container_pids(container_of(self.get("pod", name))["containerID"]))

    # ---- objects ----------------------------------------------------------------------------------------------

    def test_objects_are_made_read_changed_and_deleted(self):
        made = self.config_map("settings", {"tier": "front"}, color="blue")
        self.assertEqual(made.metadata.creation_timestamp.tzinfo.utcoffset(None).seconds, 0)
        self.assertEqual(self.core.read_namespaced_config_map("settings", self.namespace).data, {"color": "blue"})
        made.data["color"] = "green"
        changed = self.core.replace_namespaced_config_map("settings", self.namespace, made)
        self.assertGreater(int(changed.metadata.resource_version), int(made.metadata.resource_version))
        self.assert_status(409, "Conflict", self.core.replace_namespaced_config_map, "settings", self.namespace, made)
        self.assert_status(409, "AlreadyExists", self.config_map, "settings")
        said = self.assert_status(422, "Invalid", self.config_map, "Not_a_name")
        self.assertEqual(said["details"]["causes"][0]["field"], "metadata.name")
        found = self.core.list_namespaced_config_map(self.namespace, label_selector="tier in (front, back)")
        self.assertEqual([c.metadata.name for c in found.items], ["settings"])
        dry = self.core.delete_namespaced_config_map("settings", self.namespace, dry_run="All")
        self.assertIn(dry.kind, ("Status", "ConfigMap"))
        self.core.delete_namespaced_config_map("settings", self.namespace,
                                               body=client.V1DeleteOptions(preconditions={"uid": made.metadata.uid}))
        self.assert_status(404, "NotFound", self.core.read_namespaced_config_map, "settings", self.namespace)

    def test_a_deployment_runs_scales_and_answers(self):
        self.apps.create_namespaced_deployment(self.namespace, make_deployment(
            "web", 2, container={"readinessProbe": harness.READY_HTTP}))
        self.core.create_namespaced_service(self.namespace, make_service("web"))
        status = lambda: self.apps.read_namespaced_deployment_status("web", self.namespace).status
        wait_until(lambda: status().ready_replicas == 2, 60, "two replicas are ready")
        address = self.core.read_namespaced_service("web", self.namespace).spec.cluster_ip
        self.wait_text(f"http://{address}/", "Hello from web-")
        self.apps.patch_namespaced_deployment_scale("web", self.namespace, {"spec": {"replicas": 1}})
        wait_until(lambda: len(self.pods("app=web")) == 1, 30, "one pod is left")
        self.apps.delete_namespaced_deployment("web", self.namespace, propagation_policy="Foreground")
        wait_until(lambda: not self.pods("app=web"), 30, "the pods go with it")
        self.assert_status(404, "NotFound", self.apps.read_namespaced_deployment, "web", self.namespace)

    def test_patches_of_each_kind(self):
        """The client names JSON patch for a list and strategic merge for a dict; others by header."""
        self.apps.create_namespaced_deployment(self.namespace, make_deployment("web", 0))
        env = [{"name": "main", "env": [{"name": "A", "value": "1"}]}]
        patch = {"spec": {"template": {"spec": {"containers": env}}}}
        container = self.apps.patch_namespaced_deployment("web", self.namespace, patch).spec.template.spec.containers[0]
        self.assertEqual((container.image, container.env[0].value), (harness.DEMO, "1"), "strategic: containers are merged")
        steps = [{"op": "test", "path": "/spec/replicas", "value": 0}, {"op": "add", "path": "/metadata/labels/x", "value": "y"}]
        self.assertEqual(self.apps.patch_namespaced_deployment("web", self.namespace, steps).metadata.labels["x"], "y")
        merge = self.send_patch("application/merge-patch+json", {"metadata": {"labels": {"x": None, "z": "1"}}})
        self.assertEqual(merge["metadata"]["labels"], {"app": "web", "z": "1"})
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 0}}
        applied = self.send_patch("application/apply-patch+yaml", json.dumps(body), fieldManager="snake")
        self.assertIn(("snake", "Apply"), [(f["manager"], f["operation"]) for f in applied["metadata"]["managedFields"]])

    def send_patch(self, content_type, body, **query):
        return self.core.api_client.call_api(
            f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web", "PATCH", query_params=list(query.items()),
            header_params={"Content-Type": content_type, "Accept": "application/json"}, body=body, response_type="object",
            auth_settings=["BearerToken"], _return_http_data_only=True)

    def test_lists_come_in_pages(self):
        for number in range(7):
            self.config_map(f"page-{number}", {"paged": "yes"})
        names, options, sizes = [], {}, []
        while True:
            page = self.core.list_namespaced_config_map(self.namespace, label_selector="paged", limit=3, **options)
            names += [item.metadata.name for item in page.items]
            sizes.append(len(page.items))
            if len(sizes) == 1:
                self.assertEqual(page.metadata.remaining_item_count, None, "not known with a selector")
                self.config_map("page-00", {"paged": "yes"})  # comes too late for this list
            options = {"_continue": page.metadata._continue}
            if not page.metadata._continue:
                break
        self.assertEqual((names, sizes), ([f"page-{n}" for n in range(7)], [3, 3, 1]))
        self.assert_status(400, "BadRequest", self.core.list_namespaced_config_map, self.namespace, limit=3, _continue="x")

    # ---- watches ----------------------------------------------------------------------------------------------

    def test_a_watch_goes_on_where_it_ended(self):
        begin = self.core.list_namespaced_config_map(self.namespace).metadata.resource_version
        self.config_map("one", {"watched": "yes"})
        self.config_map("two", {"watched": "yes"})
        watcher, seen, which = watch.Watch(), [], {"label_selector": "watched", "timeout_seconds": 20}
        for event in watcher.stream(self.core.list_namespaced_config_map, self.namespace, resource_version=begin, **which):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 1:
                self.core.delete_namespaced_config_map("two", self.namespace)
            if len(seen) == 2:
                watcher.stop()
        self.assertEqual(seen, [("ADDED", "one"), ("ADDED", "two")])
        self.core.patch_namespaced_config_map("one", self.namespace, {"data": {"a": "b"}})
        again = []
        for event in watcher.stream(self.core.list_namespaced_config_map, self.namespace,
                                    resource_version=watcher.resource_version, **which):
            again.append((event["type"], event["object"].metadata.name))
            if len(again) == 2:
                watcher.stop()
        self.assertEqual(again, [("DELETED", "two"), ("MODIFIED", "one")], "nothing is lost between two watches")

    def test_a_watch_waits_for_a_pod_and_ends_at_its_time(self):
        pod = make_pod("brief", "sh", "-c", "sleep 0.5; exit 4", restartPolicy="Never")
        self.core.create_namespaced_pod(self.namespace, pod)
        watcher, phases = watch.Watch(), []
        for event in watcher.stream(self.core.list_namespaced_pod, self.namespace, field_selector="metadata.name=brief",
                                    timeout_seconds=40):
            phase = event["object"].status.phase
            phases += [phase] if phase not in phases else []
            if phase in ("Succeeded", "Failed"):
                watcher.stop()
        self.assertEqual(phases, ["Pending", "Running", "Failed"])
        ended = self.core.read_namespaced_pod("brief", self.namespace).status.container_statuses[0].state.terminated
        self.assertEqual((ended.exit_code, ended.reason), (4, "Error"))
        self.assertEqual(list(watch.Watch().stream(self.core.list_namespaced_secret, self.namespace, resource_version=
                              self.core.list_namespaced_secret(self.namespace).metadata.resource_version, timeout_seconds=1)), [])

    # ---- streams ----------------------------------------------------------------------------------------------

    def exec_stream(self, *command, **more):
        return stream.stream(self.core.connect_get_namespaced_pod_exec, "box", self.namespace, command=list(command),
                             **{"stdin": False, "stdout": True, "stderr": True, "tty": False, **more})

    def test_exec_attach_and_forward(self):
        self.run_pod(make_pod("box", "sh", "-c", "while read line; do echo heard $line; done", container={"stdin": True}))
        self.assertEqual(sorted(self.exec_stream("sh", "-c", "echo out; echo err >&2").split()), ["err", "out"],
                         "two channels, each in an order of its own")
        session = self.exec_stream("sh", stdin=True, _preload_content=False)
        with contextlib.closing(session):
            session.write_stdin("echo $((6*7)) > /tmp/answer; cat /tmp/answer\n")
            self.assertEqual(session.readline_stdout(timeout=10), "42")
            session.write_stdin("echo oops >&2\n")
            self.assertEqual(session.readline_stderr(timeout=10), "oops")
            session.write_stdin("exit 7\n")
            session.run_forever(timeout=10)
            self.assertEqual(session.returncode, 7)
        with open(f"/proc/{self.pid('box')}/root/tmp/answer", encoding="ascii") as file:
            self.assertEqual(file.read(), "42\n")
        self.assertIn("not found", self.exec_stream("sh", "-c", "nonsense"))
        attached = stream.stream(self.core.connect_get_namespaced_pod_attach, "box", self.namespace, stdin=True, stdout=True,
                                 stderr=True, tty=False, _preload_content=False)
        with contextlib.closing(attached):
            attached.write_stdin("you\n")
            self.assertEqual(attached.readline_stdout(timeout=10), "heard you")
        wait_until(lambda: "heard you" in self.core.read_namespaced_pod_log("box", self.namespace), 10, "and the log has it")
        with self.assertRaises(ApiException) as raised:
            self.exec_stream("true", container="absent")
        self.assertIn("400", str(raised.exception))

    def test_port_forward(self):
        self.run_pod(make_pod("web", image=harness.DEMO))
        forward = stream.portforward(self.core.connect_get_namespaced_pod_portforward, "web", self.namespace,
                                     ports="8080,8081")
        connection = http.client.HTTPConnection("unused", 8080)
        connection.sock = forward.socket(8080)
        connection.sock.settimeout(20)
        connection.request("GET", "/")
        self.assertEqual(connection.getresponse().read(), b"Hello from web\n")
        wait_until(lambda: forward.error(8081), 10, "nobody listens on 8081")
        self.assertIn("error forwarding port 8081 to pod web", forward.error(8081))
        self.assertIsNone(forward.error(8080))
        forward.close()

    def test_logs_are_followed(self):
        self.run_pod(make_pod("talk", "sh", "-c", TICKS))
        lines = []
        watcher = watch.Watch()
        for line in watcher.stream(self.core.read_namespaced_pod_log, "talk", self.namespace):
            lines.append(line)
            if len(lines) == 30:
                watcher.stop()
        self.assertEqual(lines, [f"tick {n}" for n in range(1, 31)])
        tail = self.core.read_namespaced_pod_log("talk", self.namespace, tail_lines=1, timestamps=True)
        self.assertRegex(tail, r"^\d{4}-\d\d-\d\dT[\d:.]+Z tick \d+\n$")
        self.assert_status(400, "BadRequest", self.core.read_namespaced_pod_log, "talk", self.namespace, previous=True)

    # ---- the dynamic client, elections ------------------------------------------------------------------------

    def test_the_dynamic_client_finds_every_kind(self):
        dynamic_client = dynamic.DynamicClient(client.ApiClient())
        self.assertRegex(dynamic_client.version["kubernetes"]["gitVersion"], r"^v1\.\d+")
        deployments = dynamic_client.resources.get(api_version="apps/v1", kind="Deployment")
        self.assertEqual((deployments.name, deployments.namespaced), ("deployments", True))
        made = deployments.create(body=make_deployment("dyn", 1), namespace=self.namespace)
        self.assertEqual(made.spec.replicas, 1)
        seen = next(e for e in deployments.watch(namespace=self.namespace, timeout=30)
                    if getattr(e["object"].status, "readyReplicas", None) == 1)
        self.assertEqual(seen["object"].metadata.name, "dyn")
        deployments.patch(body={"metadata": {"labels": {"a": "b"}}}, name="dyn", namespace=self.namespace,
                          content_type="application/merge-patch+json")
        found = deployments.get(namespace=self.namespace, label_selector="a=b")
        self.assertEqual([item.metadata.name for item in found.items], ["dyn"])
        deployments.delete(name="dyn", namespace=self.namespace)
        listed = [r for r in dynamic_client.resources.search() if "list" in (r.verbs or ()) and not r.kind.endswith("List")]
        self.assertGreater(len(listed), 25)
        for resource in listed:
            with self.subTest(kind=resource.kind):
                self.assertTrue(resource.get(limit=1).metadata.resourceVersion)
        objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"many-{n}"}} for n in range(3)]
        for item in objects:
            kubernetes.utils.create_from_dict(client.ApiClient(), item, namespace=self.namespace)
        with self.assertRaises(kubernetes.utils.FailToCreateError):
            kubernetes.utils.create_from_dict(client.ApiClient(), objects[0], namespace=self.namespace)

    def test_one_of_three_leads_and_another_takes_over(self):
        led, lost = [], []
        allowed, over = threading.Event(), threading.Event()
        allowed.set()

        class Lock(ConfigMapLock):
            """Of a candidate that the network leaves once it is not allowed any more."""
            def get(self, name, namespace):
                if over.is_set():
                    sys.exit()  # of this thread
                return super().get(name, namespace)

            def update(self, name, namespace, updated_record):
                return (allowed.is_set() or self.identity != led[0]) and super().update(name, namespace, updated_record)

        def stand(identity):
            settings = electionconfig.Config(Lock("leader", self.namespace, identity), lease_duration=3, renew_deadline=2,
                                             retry_period=1, onstarted_leading=lambda: led.append(identity),
                                             onstopped_leading=lambda: lost.append(identity))
            candidate = threading.Thread(target=leaderelection.LeaderElection(settings).run, daemon=True)
            candidate.start()
            self.addCleanup(candidate.join, 10)
        for identity in ("a", "b", "c"):
            stand(identity)
        self.addCleanup(over.set)  # before the threads are waited for
        wait_until(lambda: led, 15, "somebody leads")
        record = lambda: json.loads(self.core.read_namespaced_config_map("leader", self.namespace).metadata.annotations[
            "control-plane.alpha.kubernetes.io/leader"])
        self.assertEqual(record()["holderIdentity"], led[0])
        renewed = record()["renewTime"]
        wait_until(lambda: record()["renewTime"] != renewed, 10, "the leader renews")
        self.assertEqual(len(led), 1, "and nobody else leads")
        allowed.clear()
        wait_until(lambda: len(led) == 2, 20, "another takes over")
        self.assertEqual((lost, record()["holderIdentity"]), ([led[0]], led[1]))
