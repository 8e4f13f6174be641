# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicies, as tests write them, and which pods reach which."""
from concurrent.futures import ThreadPoolExecutor

from harness import make_pod
from machine import wait_until
from machines import MachinesTest

SLEEP = ("sleep", "100000")
# Asks every target at the same time, for so many seconds; the names of those that answer.
ASK = r"""
wait=$1; shift
ask() { printf 'GET / HTTP/1.0\r\n\r\n' | nc -w $wait "$2" "$3" 2>/dev/null | grep -q 'HTTP/1' && echo "$1"; }
while [ $# -ge 3 ]; do ask "$1" "$2" "$3" & shift 3; done
wait
"""
# Web servers of busybox on several ports.
SERVE = "mkdir -p /www; hostname >/www/index.html; for p in {}; do httpd -p $p -h /www; done; exec sleep 100000"


def policy(name, selector, **spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
            "spec": {"podSelector": {"matchLabels": selector} if selector else {}, **spec}}


def pods(**labels):
    return {"podSelector": {"matchLabels": labels}}


def ports(*which):
    return [{"port": port} if not isinstance(port, tuple) else {"port": port[0], "endPort": port[1]} for port in which]


class PolicyTest(MachinesTest):
    @staticmethod
    def serve(name, node, numbers=(8080,), labels=None, named=None):
        shown = [{"containerPort": number, "name": label} for label, number in (named or {}).items()]
        return make_pod(name, "sh", "-c", SERVE.format(" ".join(map(str, numbers))), labels=labels or {"app": "web"},
                        container={"ports": shown} if shown else None, nodeName=node)

    def start_pods(self, *made):
        """Their addresses, when all are ready."""
        self.apply(*made)
        return {pod["metadata"]["name"]: self.wait_ready(pod["metadata"]["name"])["status"]["podIP"] for pod in made}

    def reached(self, source, targets, namespace=None, seconds=1):
        """`targets`: name to (address, port). What is dropped takes all the seconds."""
        words = [str(word) for name, (address, port) in targets.items() for word in (name, address, port)]
        done = self.cluster.kubectl("-n", namespace or self.namespace, "exec", source, "--", "sh", "-c", ASK, "ask", str(seconds),
                                    *words, check=False)
        return set(done.stdout.split())

    def expect(self, source, targets, names, why, namespace=None):
        """What is allowed opens and what is not closes within a moment, and it stays so."""
        def look():
            self.assertEqual(self.reached(source, targets, namespace), set(names))
            return True
        wait_until(look, 20, f"{source} reaches {sorted(names)}: {why}", pause=0.2)

    def expect_each(self, sources, targets, names, why):
        """The same of several, at the same time."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda source: self.expect(source, targets, names, why), sources))
