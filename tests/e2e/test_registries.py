# SPDX-License-Identifier: Apache-2.0
"""Registries outside the cluster, with mirrors and logins: who is asked, in which order, and who sees which password."""
import json
import os

from harness import make_pod
from image_archives import MARK, Image
from machine import wait_until
from machines import Machines, MachinesTest
from registries import Registry, docker_config

SHOW = ("sh", "-c", f"cat /{MARK}; echo; exec sleep 1000000")
ADDRESS = "10.90.1.1"  # the lab's router: an address outside the cluster
CREDENTIALS = "tetrarch/registry-credentials.json"  # on a machine's disk


class Registries(MachinesTest):
    name = "registries"
    segments = (1, 1)

    @classmethod
    def start_cluster(cls):
        cls.cluster = Machines(cls.name, cls.segments)
        cls.outside = Registry(cls.cluster.lab, ADDRESS)
        cls.locked = Registry(cls.cluster.lab, ADDRESS, login="ann:secret")
        cls.mirror = Registry(cls.cluster.lab, ADDRESS)
        cls.locked_mirror = Registry(cls.cluster.lab, ADDRESS, login="mirror:word")
        for host in cls.cluster.hosts:
            with open(os.path.join(host.disk, CREDENTIALS), "w", encoding="ascii") as file:
                json.dump(docker_config({cls.locked_mirror.host: "mirror:word"}), file)
        mirrors = (f"mirrored.example={cls.mirror.url}", f"closed.example={cls.locked_mirror.url}",
                   f"{cls.locked.host}={cls.mirror.url}")
        # http is spoken to mirrors that say so, and containerd takes it for a registry that is its own mirror.
        own = (f"{cls.outside.host}={cls.outside.url}", f"{cls.locked.host}={cls.locked.url}")
        cls.cluster.server_flags = cls.cluster.agent_flags = ("--registry-mirrors", ",".join(mirrors + own))
        cls.cluster.start()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for registry in (cls.outside, cls.locked, cls.mirror, cls.locked_mirror):
            registry.stop()

    def setUp(self):
        super().setUp()
        for registry in (self.outside, self.locked, self.mirror, self.locked_mirror):
            registry.images.clear()
            registry.asked.clear()
            registry.shown.clear()

    def runs(self, pod, image, mark, **spec):
        self.apply(make_pod(pod, *SHOW, image=image, nodeName="m2", **spec))
        self.wait_ready(pod, timeout=60)
        wait_until(lambda: self.text("logs", pod).strip() == mark, 10, f"{pod} says that it is {mark}")

    def waits_for_image(self, pod):
        def reasons():
            statuses = self.get("pod", pod)["status"].get("containerStatuses", [])
            return [status["state"].get("waiting", {}).get("reason") for status in statuses]
        wait_until(lambda: set(reasons()) & {"ErrImagePull", "ImagePullBackOff"}, 30, f"{pod} cannot have its image")

    def test_the_cluster_is_asked_before_the_registry(self):
        self.outside.add("team/outside", "1", Image("outside"))
        self.runs("outside", f"{self.outside.host}/team/outside:1", "outside")
        self.assertTrue(self.outside.asked)
        self.outside.asked.clear()
        pushed = Image("inside").write_layout(os.path.join(self.cluster.directory, "inside.tar"))
        self.cluster.tetrarch("image", "push", pushed, f"{self.outside.host}/team/inside:1")
        self.runs("inside", f"{self.outside.host}/team/inside:1", "inside")
        self.assertEqual(self.outside.asked, [], "the cluster had it")

    def test_a_mirror_stands_in_for_a_registry_that_is_not_there(self):
        self.mirror.add("team/app", "1", Image("mirrored"))
        self.runs("mirrored", "mirrored.example/team/app:1", "mirrored")
        self.assertIn("/v2/team/app/manifests/1", self.mirror.asked)

    def test_a_mirror_is_shown_its_own_login(self):
        self.locked_mirror.add("team/app", "1", Image("closed"))
        self.runs("closed", "closed.example/team/app:1", "closed")

    def test_a_pods_secret_is_shown_to_its_registry_and_not_to_a_mirror(self):
        self.locked.add("team/app", "2", Image("locked"))
        name = f"{self.locked.host}/team/app:2"
        self.apply(make_pod("without", *SHOW, image=name, nodeName="m2"))
        self.waits_for_image("without")
        self.kubectl("create", "secret", "docker-registry", "login", f"--docker-server={self.locked.host}",
                     "--docker-username=ann", "--docker-password=secret")
        self.runs("with", name, "locked", imagePullSecrets=[{"name": "login"}])
        self.assertIn("/v2/team/app/manifests/2", self.mirror.asked, "the mirror is asked first")
        self.assertEqual(self.mirror.shown, {""}, "the password is the registry's alone")

    def test_a_machines_own_logins_are_read_at_each_pull(self):
        self.locked.add("team/app", "3", Image("by-the-machine"))
        name = f"{self.locked.host}/team/app:3"
        self.apply(make_pod("early", *SHOW, image=name, nodeName="m2"))
        self.waits_for_image("early")
        path = os.path.join(self.cluster.host("m2").disk, CREDENTIALS)
        with open(path, encoding="ascii") as file:
            before = file.read()
        self.addCleanup(lambda: open(path, "w", encoding="ascii").write(before))
        with open(path, "w", encoding="ascii") as file:
            json.dump(docker_config({self.locked.host: "ann:secret"}), file)
        self.runs("by-the-machine", name, "by-the-machine")
