# SPDX-License-Identifier: Apache-2.0
"""Certificates on request, tokens that others check, keys and certificates that change while all runs."""
import base64
import json
import os
import time

from api import Api
from harness import Cluster, ClusterTest, make_pod
from machine import read_proc, run, wait_until

SHORT = 30  # seconds that certificates last here


class Credentials(ClusterTest):
    name = "creds"

    @classmethod
    def start_cluster(cls):
        cls.cluster = Cluster(cls.name, command="server", flags=("--certificate-seconds", str(SHORT)))
        cls.cluster.start(node=False)
        with open(f"{cls.cluster.data}/join-token", encoding="ascii") as file:
            cls.token = file.read().strip()
        cls.joined_at = time.monotonic()
        cls.agent = cls.cluster.add_agent("worker", cls.token)
        cls.agent.start()
        cls.cluster.wait_node("worker")
        cls.worker = os.path.join(cls.cluster.directory, "worker")

    def openssl(self, *words, input=None):
        return run("openssl", *words, input=input).stdout

    def make_request(self, name, subject):
        key = os.path.join(self.cluster.directory, f"{name}.key")
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        csr = self.openssl("req", "-new", "-key", key, "-subj", subject)
        body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
                "spec": {"request": base64.b64encode(csr.encode()).decode(), "usages": ["client auth"],
                         "signerName": "kubernetes.io/kube-apiserver-client", "expirationSeconds": 600}}
        self.cluster.kubectl("create", "-f", "-", input=json.dumps(body))
        self.addCleanup(self.cluster.kubectl, "delete", "csr", name, check=False)
        return key

    # ---- requests ---------------------------------------------------------------------------------------------

    def test_an_approved_request_makes_a_client(self):
        key = self.make_request("jane", "/O=team/CN=jane")
        line = self.text("get", "csr", "jane").splitlines()[1]
        self.assertRegex(line, r"^jane\s+\S+\s+kubernetes.io/kube-apiserver-client\s+kubernetes-admin\s+10m\s+Pending$")
        self.assertIn("approved", self.text("certificate", "approve", "jane"))
        self.assertIn("Approved,Issued", self.text("get", "csr", "jane", version="1.20"))
        certificate = base64.b64decode(self.get("csr", "jane")["status"]["certificate"])
        path = os.path.join(self.cluster.directory, "jane.crt")
        with open(path, "wb") as file:
            file.write(certificate)
        shown = self.openssl("x509", "-in", path, "-noout", "-subject", "-nameopt", "RFC2253")
        self.assertIn("CN=jane,O=team", shown)
        who = ["--kubeconfig=/dev/null", f"--server=https://127.0.0.1:{self.cluster.port}", "--insecure-skip-tls-verify",
               f"--client-certificate={path}", f"--client-key={key}"]
        self.assertIn("jane", self.text("auth", "whoami", *who))
        self.assert_fails(self.kubectl("get", "secrets", *who, check=False), 'User "jane" cannot list resource "secrets"')

    def test_a_denied_request_gets_nothing(self):
        self.make_request("mallory", "/O=team/CN=mallory")
        self.kubectl("certificate", "deny", "mallory", version="1.20")
        self.assertIn("Denied", self.text("get", "csr", "mallory"))
        self.assertNotIn("certificate", self.get("csr", "mallory")["status"])
        self.assert_fails(self.kubectl("certificate", "approve", "mallory", check=False), "Denied")

    # ---- nodes ------------------------------------------------------------------------------------------------

    def test_a_node_renews_its_certificate_before_it_ends(self):
        def serial():
            return self.openssl("x509", "-in", f"{self.worker}/agent/client.pem", "-noout", "-serial")
        first = serial()
        wait_until(lambda: serial() != first, SHORT + 10, "the node has another certificate", pause=0.5)
        requests = [r for r in self.get("csr")["items"] if r["spec"]["username"] == "system:node:worker"]
        self.assertTrue(requests and requests[0]["status"]["certificate"], requests)
        time.sleep(max(0, self.joined_at + SHORT + 1 - time.monotonic()))  # the first has ended now
        self.agent.kill()
        self.agent.start()
        self.run_pod(make_pod("after", "sh", "-c", "echo said; exec sleep 3600"))
        self.assertEqual(self.text("logs", "after"), "said\n")

    def test_wrong_join_tokens_make_wait(self):
        anonymous = Api.anonymous(self.cluster)
        wrong = {"node": "x", "csr": "", "token": "abcdef.0123456789abcdef"}
        codes = [anonymous.post("/tetrarch/v1/join", wrong).status for _ in range(14)]
        self.assertEqual(codes[0], 401)
        self.assertEqual(codes[-1], 429)

    # ---- tokens -----------------------------------------------------------------------------------------------

    def test_others_can_check_tokens(self):
        about = json.loads(self.text("get", "--raw", "/.well-known/openid-configuration"))
        self.assertEqual(about["issuer"], "https://kubernetes.default.svc.cluster.local")
        self.assertTrue(about["jwks_uri"].endswith("/openid/v1/jwks"))
        keys = json.loads(self.text("get", "--raw", "/openid/v1/jwks"))["keys"]
        token = self.text("create", "token", "default", "--audience=vault", "--duration=10m").strip()
        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        self.assertIn(header["kid"], [key["kid"] for key in keys])
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                  "spec": {"token": token, "audiences": ["vault", "bank"]}}
        answer = json.loads(self.text("create", "-f", "-", "-o", "json", input=json.dumps(review)))
        self.assertEqual(answer["status"]["audiences"], ["vault"])
        self.assertEqual(answer["status"]["user"]["username"], f"system:serviceaccount:{self.namespace}:default")
        self.assertEqual(Api(self.cluster, token=token).get("/api").status, 401, "it is for vault alone")

    def test_a_token_ends_with_its_secret(self):
        self.make("secret", "generic", "holder")
        token = self.text("create", "token", "default", "--bound-object-kind=Secret", "--bound-object-name=holder").strip()
        self.assertEqual(Api(self.cluster, token=token).get("/api").status, 200)
        self.kubectl("delete", "secret", "holder")
        self.assertEqual(Api(self.cluster, token=token).get("/api").status, 401)

    # ---- keys -------------------------------------------------------------------------------------------------

    def test_keys_change_while_the_server_runs(self):
        old = self.text("create", "token", "default").strip()
        self.make("secret", "generic", "kept", "--from-literal=a=b")
        version = self.get("secret", "kept")["metadata"]["resourceVersion"]
        keys_before = self.text("get", "--raw", "/openid/v1/jwks")

        self.cluster.tetrarch("rotate", "service-accounts")
        wait_until(lambda: self.text("get", "--raw", "/openid/v1/jwks") != keys_before, 10, "the new key is told")
        fresh = self.text("create", "token", "default").strip()
        self.assertNotEqual(fresh.split(".")[0], old.split(".")[0], "signed with another key")
        for token in (old, fresh):
            self.assertEqual(Api(self.cluster, token=token).get("/api").status, 200)

        self.cluster.tetrarch("rotate", "encryption")
        wait_until(lambda: self.get("secret", "kept")["metadata"]["resourceVersion"] != version, 15,
                   "the Secret is sealed anew")
        self.assertTrue(read_proc(self.cluster.process.pid, "comm"), "the same process")
        path = f"{self.cluster.data}/server/encryption.keys"
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        self.cluster.process.kill()
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join([lines[0], lines[1]]) + "\n")  # the newest key alone
        self.cluster.start(node=False)
        self.assertEqual(self.get("secret", "kept")["data"], {"a": "Yg=="}, "no Secret needs the old key")
        self.assert_fails(self.cluster.tetrarch("rotate", "bananas", check=False), "encryption or service-accounts")
