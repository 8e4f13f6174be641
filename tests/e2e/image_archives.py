# SPDX-License-Identifier: Apache-2.0
"""Images of a test's own, that no machine has seen: busybox and a file that says which one it is."""
import hashlib
import io
import json
import os
import tarfile

from harness import IMAGES

MARK = "image-mark"
OCI = "application/vnd.oci.image"


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def to_json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def add_file(archive, name, content, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def busybox_layer():
    with tarfile.open(f"{IMAGES}/busybox.tar") as archive:
        read = lambda name: archive.extractfile(name).read()
        index = json.loads(read("index.json"))
        path = lambda digest: "blobs/" + digest.replace(":", "/")
        manifest = json.loads(read(path(index["manifests"][0]["digest"])))
        return read(path(manifest["layers"][0]["digest"]))


class Image:
    """Layer, configuration and manifest of an image whose file /image-mark says `mark`."""

    def __init__(self, mark, padding=0):
        out = io.BytesIO(busybox_layer())
        with tarfile.open(fileobj=out, mode="a:") as layer:
            add_file(layer, MARK, mark.encode())
            if padding:
                add_file(layer, "padding", os.urandom(padding))
        self.mark = mark
        self.layer = out.getvalue()
        self.config = to_json({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sleep", "1000000"]},
                               "rootfs": {"type": "layers", "diff_ids": [digest_of(self.layer)]},
                               "history": [{"created_by": mark}]})

    @property
    def manifest(self):
        describe = lambda kind, content: {"mediaType": f"{OCI}.{kind}", "digest": digest_of(content), "size": len(content)}
        return to_json({"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json",
                        "config": describe("config.v1+json", self.config), "layers": [describe("layer.v1.tar", self.layer)]})

    @property
    def blobs(self):
        return {digest_of(content): content for content in (self.layer, self.config)}

    def write_layout(self, path, name=""):
        """As an OCI image layout."""
        manifest = self.manifest
        entry = {"mediaType": f"{OCI}.manifest.v1+json", "digest": digest_of(manifest), "size": len(manifest),
                 "annotations": {"io.containerd.image.name": name} if name else {}}
        with tarfile.open(path, "w") as archive:
            add_file(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            add_file(archive, "index.json", to_json({"schemaVersion": 2, "manifests": [entry]}))
            for content in (manifest, *self.blobs.values()):
                add_file(archive, "blobs/" + digest_of(content).replace(":", "/"), content)
        return path

    def write_saved(self, path, name):
        """As `docker save` wrote them until version 24."""
        config = digest_of(self.config)[7:] + ".json"
        layer = digest_of(self.layer)[7:] + "/layer.tar"
        with tarfile.open(path, "w") as archive:
            add_file(archive, config, self.config)
            add_file(archive, layer, self.layer)
            add_file(archive, "manifest.json", to_json([{"Config": config, "RepoTags": [name], "Layers": [layer]}]))
        return path
