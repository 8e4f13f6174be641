#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drafts schema tables from a published Kubernetes API description (swagger 2.0 JSON, maybe gzipped).

  schema_import.py draft SWAGGER OUT_DIR     first drafts of the tables, to be edited by hand
  schema_import.py reduce SWAGGER OUT_FILE   names, types, formats, merge keys and list types only, for the test

The tables in schema/ are the source; a draft only saves typing when a kind or a release is added.
No prose is taken over: docs are ours.
"""
import gzip
import json
import sys

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
SCALARS = {
    META + ".Time": "time",
    META + ".MicroTime": "micro_time",
    META + ".FieldsV1": "any",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int_or_string",
}
PACKAGES = {
    "meta": (META, "Status DeleteOptions ListMeta Condition"),
    "core": ("io.k8s.api.core.v1",
             "Namespace Node Pod PodTemplate ReplicationController Service Endpoints ConfigMap Secret ServiceAccount Event "
             "Binding ResourceQuota LimitRange"),
    "events": ("io.k8s.api.events.v1", "Event"),
    "discovery": ("io.k8s.api.discovery.v1", "EndpointSlice"),
    "coordination": ("io.k8s.api.coordination.v1", "Lease"),
    "apps": ("io.k8s.api.apps.v1", "Deployment ReplicaSet DaemonSet StatefulSet ControllerRevision"),
    "autoscaling": ("io.k8s.api.autoscaling.v1", "Scale"),
    "batch": ("io.k8s.api.batch.v1", "Job CronJob"),
    "rbac": ("io.k8s.api.rbac.v1", "Role ClusterRole RoleBinding ClusterRoleBinding"),
    "authentication": ("io.k8s.api.authentication.v1", "TokenReview TokenRequest SelfSubjectReview"),
    "authorization": (
        "io.k8s.api.authorization.v1",
        "SubjectAccessReview LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview",
    ),
    "node": ("io.k8s.api.node.v1", "RuntimeClass"),
    "scheduling": ("io.k8s.api.scheduling.v1", "PriorityClass"),
    "policy": ("io.k8s.api.policy.v1", "Eviction PodDisruptionBudget"),
    "certificates": ("io.k8s.api.certificates.v1", "CertificateSigningRequest"),
    "flowcontrol": ("io.k8s.api.flowcontrol.v1", "FlowSchema PriorityLevelConfiguration"),
    "networking": ("io.k8s.api.networking.v1", "IngressClass Ingress NetworkPolicy IPAddress ServiceCIDR"),
    "storage": ("io.k8s.api.storage.v1", "StorageClass"),
    "apiregistration": ("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1", "APIService"),
    "resource": ("io.k8s.api.resource.v1", "DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice"),
}
# Core is split by what a type is reachable from.
CORE_FILES = [("core_volume", "Volume"), ("core_pod", "Pod")]


def load(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as source:
        return json.load(source)["definitions"]


def references(schema):
    if "$ref" in schema:
        yield schema["$ref"].rsplit("/", 1)[1]
    for part in ("items", "additionalProperties"):
        if part in schema:
            yield from references(schema[part])


def closure(definitions, roots):
    """Names of all types reachable from the roots, in order of first mention."""
    seen, todo = [], list(roots)
    while todo:
        name = todo.pop(0)
        if name in seen or name in SCALARS:
            continue
        seen.append(name)
        for field in definitions[name].get("properties", {}).values():
            todo.extend(references(field))
    return seen


def served_roots():
    return [f"{package}.{name}" for package, names in PACKAGES.values() for name in names.split()]


def type_text(schema, package):
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name in SCALARS:
            return SCALARS[name]
        home, short = name.rsplit(".", 1)
        return short if home in (package, META, PACKAGES["core"][0]) else name
    if "items" in schema:
        return "[]" + type_text(schema["items"], package)
    if "additionalProperties" in schema:
        return "map[string]" + type_text(schema["additionalProperties"], package)
    kind, form = schema.get("type"), schema.get("format")
    if kind == "integer":
        return form or "int64"
    if kind == "string":
        return "bytes" if form == "byte" else "string"
    return kind if kind in ("boolean", "number") else "any"


def attributes(field):
    if "x-kubernetes-patch-strategy" in field:
        yield "patch=" + field["x-kubernetes-patch-strategy"]
    if "x-kubernetes-patch-merge-key" in field:
        yield "key=" + field["x-kubernetes-patch-merge-key"]
    if "x-kubernetes-list-type" in field:
        keys = field.get("x-kubernetes-list-map-keys")
        yield "list=" + field["x-kubernetes-list-type"] + ("(" + ",".join(keys) + ")" if keys else "")
    if field.get("x-kubernetes-map-type") == "atomic":
        yield "atomic-map"


def draft_type(name, definition, package):
    short = name.rsplit(".", 1)[1]
    atomic = " atomic" if definition.get("x-kubernetes-map-type") == "atomic" else ""
    lines = [f"type {short}{atomic}"]
    required = definition.get("required", [])
    # A status is written by us: its required fields are published, not checked.
    word = "expected" if short.endswith(("Status", "Condition")) else "required"
    rows = []
    for field_name, field in definition.get("properties", {}).items():
        words = [word] if field_name in required else []
        rows.append((field_name, type_text(field, package), " ".join(words + list(attributes(field)))))
    for field_name, kind, rest in rows:
        lines.append(f"  {field_name:<20} {kind:<20} {rest}".rstrip())
    return "\n".join(lines) + "\n"


def draft(definitions, out):
    placed = set()
    everything = closure(definitions, served_roots())
    for label, (package, _) in PACKAGES.items():
        mine = [name for name in everything if name.rsplit(".", 1)[0] == package]
        files = {label: []}
        for name in mine:
            files[label].append(name)
        if label == "core":
            for part, root in CORE_FILES:
                inner = [n for n in closure(definitions, [f"{package}.{root}"]) if n in mine and n not in placed]
                placed.update(inner)
                files[part] = inner
            files[label] = [n for n in mine if n not in placed]
        for part, names in files.items():
            with open(f"{out}/{part}.schema", "w", encoding="utf-8") as target:
                target.write(f"package {package}\n")
                for name in names:
                    target.write("\n" + draft_type(name, definitions[name], package))


def bare(schema):
    """The schema without prose."""
    kept = {}
    for key, value in schema.items():
        if key in ("items", "additionalProperties"):
            kept[key] = bare(value)
        elif key in ("type", "format", "$ref") or (key.startswith("x-kubernetes-") and key != "x-kubernetes-unions"):
            kept[key] = value
    return kept


def reduce(definitions, out):
    kept = {}
    for name in sorted(closure(definitions, served_roots())):
        definition = definitions[name]
        kept[name] = bare(definition)
        kept[name]["required"] = sorted(definition.get("required", []))
        kept[name]["properties"] = {n: bare(f) for n, f in definition.get("properties", {}).items()}
    with open(out, "w", encoding="utf-8") as target:
        # One type per line, so that a change shows as a change of that line.
        lines = [f"{json.dumps(n)}:{json.dumps(d, sort_keys=True, separators=(',', ':'))}" for n, d in kept.items()]
        target.write("{" + ",\n".join(lines) + "}\n")


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("draft", "reduce"):
        sys.exit(__doc__)
    definitions = load(sys.argv[2])
    {"draft": draft, "reduce": reduce}[sys.argv[1]](definitions, sys.argv[3])


if __name__ == "__main__":
    main()
