# SPDX-License-Identifier: Apache-2.0
"""Static pods: what a node runs by files of its own, and what the API shows of them."""
import json
import os

import machine
from harness import Cluster, ClusterTest, DEMO, container_of, is_ready, make_pod
from machine import wait_until

SLEEP = ("sleep", "3600")


class StaticPods(ClusterTest):
    name = "static"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, command="server")
        cls.cluster.start(node=False)
        with open(f"{cls.cluster.data}/join-token", encoding="ascii") as file:
            token = file.read().strip()
        cls.agent = cls.cluster.add_agent("one", token)
        cls.data = next(iter(cls.cluster.agents))
        cls.agent.start()
        cls.cluster.wait_node("one")

    def folder(self):
        return f"{self.data}/manifests"

    def put(self, name, pod):
        """A whole file at once, as an editor writes it."""
        os.makedirs(self.folder(), exist_ok=True)
        path = f"{self.folder()}/{name}.yaml"
        with open(f"{self.folder()}/.{name}.new", "w", encoding="utf-8") as file:
            file.write(json.dumps(pod))
        os.rename(f"{self.folder()}/.{name}.new", path)
        self.addCleanup(lambda: os.path.exists(path) and os.remove(path))
        return path

    def manifest(self, name, *command, **more):
        pod = make_pod(name, *command, **more)
        pod["metadata"]["namespace"] = self.namespace
        return pod

    def wait_gone(self, name):
        wait_until(lambda: self.kubectl("get", "pod", name, check=False).returncode != 0, 30, f"{name} is gone")

    @staticmethod
    def pids(pod):
        return [pid for pid, _ in machine.container_pids(container_of(pod)["containerID"])]

    def test_a_file_is_a_pod_that_the_api_shows(self):
        path = self.put("web", self.manifest("web", image=DEMO))
        pod = self.wait_ready("web-one")
        annotations = pod["metadata"]["annotations"]
        self.assertEqual(annotations["kubernetes.io/config.source"], "file")
        self.assertEqual(annotations["kubernetes.io/config.mirror"], annotations["kubernetes.io/config.hash"])
        self.assertIn("kubernetes.io/config.seen", annotations)
        owner, = pod["metadata"]["ownerReferences"]
        self.assertEqual((owner["kind"], owner["name"], owner["controller"]), ("Node", "one", True))
        self.assertIn("Hello from web-one", self.cluster.curl(f"http://{pod['status']['podIP']}:8080/"))
        self.assertIn("listening on 8080", self.text("logs", "web-one"))
        self.assertEqual(self.exec("web-one", "/demo", "client", "127.0.0.1", "8080").stdout, "Hello from web-one\n")
        self.assertIn("Started container main", self.text("describe", "pod", "web-one"))

        os.remove(path)
        self.wait_gone("web-one")
        self.assertEqual(self.pids(pod), [], "its container has ended")

    def test_to_delete_what_the_api_shows_does_not_end_it(self):
        self.put("stays", self.manifest("stays", *SLEEP))
        before = self.wait_ready("stays-one")
        self.kubectl("delete", "pod", "stays-one", "--wait=false")

        def shown_anew():
            pod = self.get("pod", "stays-one")
            return pod["metadata"]["uid"] != before["metadata"]["uid"] and is_ready(pod) and pod
        after = wait_until(shown_anew, 30, "it is shown again, and ready")
        self.assertEqual(container_of(after)["containerID"], container_of(before)["containerID"])
        self.assertEqual(container_of(after)["restartCount"], 0)
        self.assertTrue(self.pids(before), "it has run all the time")

    def test_a_changed_file_is_another_pod(self):
        self.put("edit", self.manifest("edit", *SLEEP))
        before = self.wait_ready("edit-one")
        self.put("edit", self.manifest("edit", "sleep", "7200"))

        def changed():
            pod = self.get("pod", "edit-one")
            return pod["spec"]["containers"][0]["command"][1] == "7200" and is_ready(pod) and pod
        after = wait_until(changed, 60, "the new version runs")
        self.assertNotEqual(after["metadata"]["annotations"]["kubernetes.io/config.hash"],
                            before["metadata"]["annotations"]["kubernetes.io/config.hash"])
        self.assertEqual(self.pids(before), [])
        self.put("edit", {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "edit"}, "spec": {}})
        self.wait_gone("edit-one")
        wait_until(lambda: "edit.yaml is no pod that can run here" in self.agent.tail(), 10, "the log says why")

    def test_it_runs_without_a_server_and_is_told_of_later(self):
        self.cluster.process.kill()
        path = self.put("alone", self.manifest("alone", "sleep", "3599"))
        pids = wait_until(lambda: machine.pids_with("sleep 3599", of=("cmdline",)), 30, "it runs")
        self.agent.kill()
        self.agent.start()
        self.cluster.start(node="one")
        pod = self.wait_ready("alone-one")
        self.assertEqual(self.pids(pod), pids, "one process, adopted by the agent that came later")
        self.agent.kill()
        os.remove(path)
        self.agent.start()
        self.wait_gone("alone-one")
        wait_until(lambda: not machine.pids_with("sleep 3599", of=("cmdline",)), 60, "what lost its file while no agent ran ends")

    def test_a_node_makes_no_other_pods(self):
        config = self.cluster.get_config()
        words = ("--server", config["clusters"][0]["cluster"]["server"], "--certificate-authority", f"{self.data}/agent/ca.crt",
                 "--client-certificate", f"{self.data}/agent/client.pem", "--client-key", f"{self.data}/agent/client.pem")
        as_node = {"KUBECONFIG": "/dev/null"}
        done = self.kubectl(*words, "create", "-f", "-", input=json.dumps(make_pod("sly", *SLEEP, nodeName="one")), check=False,
                            env=as_node)
        self.assert_fails(done, 'node "one" can only create mirror pods')
        mirror = make_pod("sly", *SLEEP, nodeName="other")
        mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "h"}
        done = self.kubectl(*words, "create", "-f", "-", input=json.dumps(mirror), check=False, env=as_node)
        self.assert_fails(done, 'node "one" can only create pods with spec.nodeName set to itself')
