# SPDX-License-Identifier: Apache-2.0
"""The cluster's own image registry, on three machines that have no network outside."""
import base64
import json
import os

from harness import make_pod
from image_archives import MARK, Image, digest_of
from machine import run, wait_until
from machines import DATA, PORT, Machines, MachinesTest

PADDING = 12_000_000
BLOB_PORT = 6444
FETCHED = "tetrarch_agent_blob_bytes_total"  # by an agent, from="machine" or from="server"
RELAYED = "tetrarch_image_relayed_bytes_total"  # through the server
GRACE = 5  # seconds that what nothing leads to is kept
SHOW = ("sh", "-c", f"cat /{MARK}; echo; exec sleep 1000000")  # a log has whole lines
CONTENT = "tetrarch/agent/containerd/root/io.containerd.content.v1.content/blobs/sha256"


class Images(MachinesTest):
    name = "images"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Machines(cls.name, cls.segments, flags=("--registry-gc-grace", GRACE))
        cls.cluster.start()
        config = json.loads(cls.cluster.kubectl("config", "view", "--raw", "-o", "json").stdout)
        cls.certificates = os.path.join(cls.cluster.directory, "certificates")
        os.makedirs(cls.certificates)
        for name, part in (("ca.crt", config["clusters"][0]["cluster"]["certificate-authority-data"]),
                           ("client.cert", config["users"][0]["user"]["client-certificate-data"]),
                           ("client.key", config["users"][0]["user"]["client-key-data"])):
            with open(os.path.join(cls.certificates, name), "wb") as file:
                file.write(base64.b64decode(part))

    # ---- what the tests ask for -------------------------------------------------------------------------------

    def file(self, name):
        return os.path.join(self.cluster.directory, name)

    def push(self, image, name):
        archive = image.write_layout(self.file(f"{image.mark}.tar"))
        return self.cluster.tetrarch("image", "push", archive, name).stdout

    def holders(self, digest):
        """Machines that say that they have a copy."""
        blob = self.get("imageblob", digest.replace(":", "-"))
        return sorted(blob.get("status", {}).get("copies", {}))

    def wait_copies(self, image, count=2, timeout=60, without=()):
        def seen():
            copies = [[node for node in self.holders(digest) if node not in without] for digest in image.blobs]
            return copies if all(len(each) == count for each in copies) else None
        return wait_until(seen, timeout, f"{count} copies of each blob", pause=0.5)

    def on_disk(self, host, digest):
        return os.path.exists(os.path.join(host.disk, CONTENT, digest[7:]))

    def runs(self, pod, image, node, mark):
        self.apply(make_pod(pod, *SHOW, image=image, nodeName=node))
        self.wait_ready(pod, timeout=60)
        wait_until(lambda: self.text("logs", pod).strip() == mark, 10, f"{pod} says that it is {mark}")

    def curl(self, path, *words, as_admin=True):
        """Status, headers and body of an answer of the registry."""
        who = ["--cert", f"{self.certificates}/client.cert", "--key", f"{self.certificates}/client.key"]
        done = run(*self.cluster.inside(), "curl", "-sS", "-i", "--noproxy", "*", "--cacert", f"{self.certificates}/ca.crt",
                   *(who if as_admin else []), *words, f"{self.cluster.url}{path}")
        head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
        while head.split()[1] == "100":
            head, _, body = body.partition("\n\n")
        lines = head.split("\n")
        return int(lines[0].split()[1]), {line.split(": ")[0].lower(): line.partition(": ")[2] for line in lines[1:]}, body

    def code_of(self, body):
        return json.loads(body)["errors"][0]["code"]

    def skopeo(self, *words):
        return run(*self.cluster.inside(), "skopeo", "--insecure-policy", *words, timeout=120,
                   env=self.cluster.environment())

    def registry(self, name):
        return f"docker://{self.cluster.first.address}:{PORT}/{name}"

    def metric(self, host, name):
        """Of the process on that machine."""
        shown = host.run("curl", "-s", "--noproxy", "*", "--unix-socket", f"{DATA}/agent.sock", "http://agent/metrics").stdout
        return sum(int(line.split()[-1]) for line in shown.splitlines() if line.startswith(name))

    def sent_by(self, host):
        """Bytes that have left the machine, whatever they were."""
        return int(host.run("cat", "/sys/class/net/eth0/statistics/tx_bytes").stdout)

    def close_port(self, host):
        """As behind a NAT: what is dialled there is dropped."""
        host.run("nft", "-f", "-", input="table inet test_closed { chain input { type filter hook input priority -10; "
                                         f"tcp dport {BLOB_PORT} drop; }}\n}}\n")
        self.addCleanup(host.run, "nft", "delete", "table", "inet", "test_closed")

    def image_with_a_copy_on_the_first(self, mark):
        """What is pushed, and the machine that has no copy of its layer."""
        for number in range(12):
            image = Image(f"{mark}-{number}", padding=PADDING)
            self.push(image, f"{mark}:1")
            self.wait_copies(image)
            holders = self.holders(digest_of(image.layer))
            if "m1" in holders:
                return image, next(host for host in self.cluster.hosts if host.name not in holders)
        raise AssertionError("chance never chose m1")

    # ---- tests ------------------------------------------------------------------------------------------------

    def test_an_image_pushed_once_runs_everywhere(self):
        image = Image("everywhere", padding=3_000_000)
        shown = self.push(image, "team/everywhere:1")
        self.assertIn(f"team/everywhere:1  {digest_of(image.manifest)}", shown)
        self.assertIn("is there already", self.push(image, "team/everywhere:1"))
        self.wait_copies(image)
        for host in self.cluster.hosts:
            self.runs(f"on-{host.name}", "team/everywhere:1", host.name, "everywhere")
        self.assertIn("team/everywhere", self.cluster.tetrarch("image", "ls").stdout)
        self.assertRegex(self.text("get", "images"), r"team/everywhere\s+1\s+sha256:")

    def test_blobs_go_from_machine_to_machine(self):
        first = self.cluster.first
        self.close_port(first)  # so that they come from the third machine
        image, asker = self.image_with_a_copy_on_the_first("direct")
        before = {name: self.metric(asker, name) for name in (FETCHED + '{from="machine"}', FETCHED + '{from="server"}')}
        relayed, sent = self.metric(first, RELAYED), self.sent_by(first)
        self.runs("direct", "direct:1", asker.name, image.mark)
        grown = {name: self.metric(asker, name) - value for name, value in before.items()}
        self.assertGreaterEqual(grown[FETCHED + '{from="machine"}'], len(image.layer))
        self.assertEqual(grown[FETCHED + '{from="server"}'], 0)
        self.assertEqual(self.metric(first, RELAYED), relayed, "nothing passed through the server")
        self.assertLess(self.sent_by(first) - sent, PADDING // 4, "the server's machine sent next to nothing")

    def test_where_no_machine_can_be_dialled_blobs_come_through_the_server(self):
        for host in self.cluster.hosts:
            self.close_port(host)
        image, asker = self.image_with_a_copy_on_the_first("relayed")
        relayed = self.metric(self.cluster.first, RELAYED)
        direct = self.metric(asker, FETCHED + '{from="machine"}')
        self.runs("relayed", "relayed:1", asker.name, image.mark)
        self.assertGreaterEqual(self.metric(self.cluster.first, RELAYED) - relayed, len(image.layer))
        self.assertEqual(self.metric(asker, FETCHED + '{from="machine"}'), direct)

    def test_only_nodes_are_given_blobs(self):
        image = Image("guarded-blob")
        self.push(image, "guarded-blob:1")
        self.wait_copies(image)
        digest = digest_of(image.layer)
        host = self.cluster.host(self.holders(digest)[0])
        url = f"https://{host.address}:{BLOB_PORT}/blobs/{digest}"
        pair = ("--cert", f"{self.certificates}/client.cert", "--key", f"{self.certificates}/client.key")
        for shown in ((), pair):
            done = run(*self.cluster.inside(), "curl", "-sk", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}",
                       *shown, url)
            self.assertEqual(done.stdout, "403", shown)

    def test_names_need_no_registry_or_any(self):
        image = Image("names")
        for name in ("plain:1", "registry.example:5000/team/names:2"):
            self.push(image, name)
        self.runs("plain", "plain:1", "m2", "names")
        self.runs("library", "docker.io/library/plain:1", "m3", "names")
        self.runs("other", "registry.example:5000/team/names:2", "m2", "names")
        self.runs("own", f"{self.cluster.first.address}:{PORT}/plain:1", "m3", "names")
        self.runs("digest", f"plain@{digest_of(image.manifest)}", "m2", "names")

    def test_saved_archives_are_pushed_by_the_name_in_them(self):
        archive = Image("saved").write_saved(self.file("saved.tar"), "saved:3")
        self.assertIn("saved:3  sha256:", self.cluster.tetrarch("image", "push", archive).stdout)
        self.runs("saved", "saved:3", "m2", "saved")

    def test_a_dead_machine_costs_a_copy_for_a_while(self):
        image = Image("survivor", padding=1_000_000)
        self.push(image, "survivor:1")
        copies = self.wait_copies(image)
        layer = copies[0]
        victim = next(name for name in layer if name != "m1")
        rest = next(host.name for host in self.cluster.hosts if host.name not in layer)
        self.cluster.host(victim).kill()
        try:
            self.runs("elsewhere", "survivor:1", rest, "survivor")
            self.wait_copies(image, timeout=120, without=(victim,))
        finally:
            self.cluster.running.pop(victim).wait(20)
            self.cluster.host(victim).boot()
            self.cluster.start_on(self.cluster.host(victim))
            self.cluster.wait_node(victim)
        self.wait_copies(image, timeout=120)

    def test_bad_requests_are_refused_and_change_nothing(self):
        status, headers, body = self.curl("/v2/", as_admin=False)
        self.assertEqual((status, self.code_of(body)), (401, "UNAUTHORIZED"))
        self.assertIn("Basic realm=", headers["www-authenticate"])
        self.assertEqual(self.curl("/v2/")[0], 200)
        self.assertEqual(self.curl("/v2/", "-u", "any:wrong", as_admin=False)[0], 401)
        wrong = "sha256:" + "0" * 64
        rows = ((404, "MANIFEST_UNKNOWN", "/v2/no/manifests/1", ()), (404, "BLOB_UNKNOWN", f"/v2/no/blobs/{wrong}", ()),
                (400, "DIGEST_INVALID", "/v2/no/blobs/sha256:1", ()), (400, "NAME_INVALID", "/v2/UPPER/manifests/1", ()),
                (404, "NAME_UNKNOWN", "/v2/no/tags/list", ()), (405, "UNSUPPORTED", f"/v2/a/blobs/{wrong}", ("-X", "DELETE")),
                (404, "BLOB_UPLOAD_UNKNOWN", "/v2/a/blobs/uploads/none", ("-X", "PATCH", "-d", "x")),
                (400, "MANIFEST_INVALID", "/v2/a/manifests/1", ("-X", "PUT", "-d", "{}")))
        for expected, code, path, words in rows:
            with self.subTest(path=path):
                status, _, body = self.curl(path, *words)
                self.assertEqual((status, self.code_of(body)), (expected, code))
        status, _, body = self.curl(f"/v2/bad/blobs/uploads/?digest={wrong}", "-X", "POST", "-d", "not that")
        self.assertEqual((status, self.code_of(body)), (400, "DIGEST_INVALID"))
        self.assertNotIn("0" * 64, self.text("get", "imageblobs"))
        manifest = Image("never").manifest.decode()
        status, _, body = self.curl("/v2/bad/manifests/1", "-X", "PUT", "-d", manifest)
        self.assertEqual((status, self.code_of(body)), (404, "MANIFEST_BLOB_UNKNOWN"))

    def test_roles_say_who_may_push_and_pull(self):
        self.push(Image("guarded"), "guarded:1")
        self.kubectl("create", "serviceaccount", "reader")
        token = self.text("create", "token", "reader").strip()
        ask = lambda *words: self.curl("/v2/guarded/manifests/1", "-u", f"reader:{token}", *words, as_admin=False)
        self.assertEqual(ask()[0], 403)
        self.kubectl("create", "clusterrole", f"pull-{self.namespace}", "--verb=get", "--resource=images.images.tetrarch.dev")
        self.kubectl("create", "clusterrolebinding", f"pull-{self.namespace}", f"--clusterrole=pull-{self.namespace}",
                     f"--serviceaccount={self.namespace}:reader")
        wait_until(lambda: ask()[0] == 200, 10, "the reader may pull")
        self.assertEqual(ask("-X", "DELETE")[0], 403)

    def test_what_no_tag_leads_to_is_freed(self):
        first, second = Image("first"), Image("second")
        self.push(first, "changing:1")
        self.wait_copies(first)
        self.push(second, "changing:1")
        gone = lambda image: all(digest.replace(":", "-") not in self.text("get", "imageblobs") for digest in image.blobs)
        wait_until(lambda: gone(first), 60, "the blobs of the tag's former image are gone", pause=0.5)
        self.runs("second", "changing:1", "m2", "second")
        self.assertIn("removed", self.cluster.tetrarch("image", "rm", "changing:1").stdout)
        wait_until(lambda: gone(second), 60, "the blobs of the removed image are gone", pause=0.5)
        digest = digest_of(first.layer)
        wait_until(lambda: not any(self.on_disk(host, digest) for host in self.cluster.hosts), 200,
                   "no machine has the blob on its disk", pause=1)
        self.assertNotIn("changing", self.cluster.tetrarch("image", "ls").stdout)

    def test_skopeo_pushes_and_pulls(self):
        image = Image("skopeo", padding=8_000_000)
        archive = image.write_saved(self.file("skopeo.tar"), "tool:1")
        certificates = ("cert-dir", self.certificates)
        self.skopeo("copy", f"--dest-{certificates[0]}", certificates[1], f"docker-archive:{archive}",
                    self.registry("team/tool:1"))
        self.runs("tool", "team/tool:1", "m3", "skopeo")
        tags = json.loads(self.skopeo("list-tags", f"--{certificates[0]}", certificates[1],
                                      self.registry("team/tool")).stdout)
        self.assertEqual(tags["Tags"], ["1"])
        back = self.file("back")
        self.skopeo("copy", f"--src-{certificates[0]}", certificates[1], self.registry("team/tool:1"), f"dir:{back}")
        sizes = sorted(os.path.getsize(os.path.join(back, name)) for name in os.listdir(back))
        self.assertGreater(sizes[-1], 8_000_000)
        token = self.text("create", "token", "default").strip()
        only_ca = self.file("only-ca")
        os.makedirs(only_ca)
        os.symlink(f"{self.certificates}/ca.crt", f"{only_ca}/ca.crt")
        refused = run(*self.cluster.inside(), "skopeo", "inspect", "--cert-dir", only_ca, "--creds", f"any:{token}",
                      self.registry("team/tool:1"), check=False, env=self.cluster.environment())
        self.assertNotEqual(refused.returncode, 0)
        self.kubectl("create", "clusterrolebinding", f"images-{self.namespace}", "--clusterrole=cluster-admin",
                     f"--serviceaccount={self.namespace}:default")
        shown = json.loads(wait_until(
            lambda: run(*self.cluster.inside(), "skopeo", "inspect", "--cert-dir", only_ca, "--creds", f"any:{token}",
                        self.registry("team/tool:1"), check=False, env=self.cluster.environment()).stdout,
            20, "a token is the password"))
        self.assertEqual(shown["RepoTags"], ["1"])
