// SPDX-License-Identifier: Apache-2.0
// A program on @kubernetes/client-node: `node node_client.mjs <scenario> <namespace> [word…]`. It tells what it sees as
// JSON, one value a line; tests/e2e/test_node_client.py compares that with the world. CLIENT_NODE is the package's
// folder, KUBECONFIG the way to the cluster.
import { createServer, connect } from 'node:net';
import { PassThrough, Readable, Writable } from 'node:stream';

const k8s = await import(`${process.env.CLIENT_NODE}/dist/index.js`);
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const [scenario, namespace, ...words] = process.argv.slice(2);

const tell = (value) => process.stdout.write(JSON.stringify(value) + '\n');
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function collector() {
  let text = '';
  const sink = new Writable({ write(chunk, _, done) { text += chunk; done(); } });
  return { sink, text: () => text };
}

async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { code: error.code, ...JSON.parse(error.body) };
  }
}

async function patch(kind, body, more = {}) {
  const settings = k8s.setHeaderOptions('Content-Type', kind);
  return core.patchNamespacedConfigMap({ name: 'settings', namespace, body, ...more }, settings);
}

const scenarios = {
  async objects() {
    const body = { metadata: { name: 'settings', labels: { tier: 'front' } }, data: { color: 'blue' } };
    const made = await core.createNamespacedConfigMap({ namespace, body });
    tell({ made: made.data, isDate: made.metadata.creationTimestamp instanceof Date });
    const old = structuredClone(made);
    made.data.color = 'green';
    const changed = await core.replaceNamespacedConfigMap({ name: 'settings', namespace, body: made });
    tell({ changed: changed.data });
    tell(await refusal(core.replaceNamespacedConfigMap({ name: 'settings', namespace, body: { ...old, data: {} } })));
    tell(await refusal(core.readNamespacedConfigMap({ name: 'absent', namespace })));
    await patch(k8s.PatchStrategy.MergePatch, { data: { a: '1' } });
    await patch(k8s.PatchStrategy.JsonPatch, [{ op: 'add', path: '/data/b', value: '2' }]);
    await patch(k8s.PatchStrategy.StrategicMergePatch, { data: { color: null } });
    const applied = await patch(k8s.PatchStrategy.ServerSideApply, { apiVersion: 'v1', kind: 'ConfigMap',
      metadata: { name: 'settings' }, data: { c: '3' } }, { fieldManager: 'node', force: true });
    tell({ patched: applied.data, managers: applied.metadata.managedFields.map((f) => [f.manager, f.operation]) });
    const listed = await core.listNamespacedConfigMap({ namespace, labelSelector: 'tier=front', limit: 1 });
    tell({ listed: listed.items.map((item) => item.metadata.name) });
    await core.deleteNamespacedConfigMap({ name: 'settings', namespace });
    tell(await refusal(core.readNamespacedConfigMap({ name: 'settings', namespace })));
  },

  /** The client that knows no kinds: it asks discovery for each. */
  async generic() {
    const client = k8s.KubernetesObjectApi.makeApiClient(config);
    for (const spec of k8s.loadAllYaml(await text(process.stdin))) {
      spec.metadata.namespace = namespace;
      await client.create(spec);
      const settings = [undefined, undefined, 'generic', undefined, k8s.PatchStrategy.MergePatch];
      await client.patch({ ...spec, metadata: { ...spec.metadata, labels: { seen: 'yes' } } }, ...settings);
      const found = await client.read(spec);
      tell({ kind: found.kind, name: found.metadata.name, labels: found.metadata.labels });
    }
    const listed = await client.list('apps/v1', 'Deployment', namespace);
    tell(listed.items.map((item) => item.metadata.name));
  },

  /** Ends with its standard input. Errors are tried again after a while, as the package's manual says. */
  async informer() {
    const list = () => core.listNamespacedPod({ namespace, labelSelector: 'watched=yes' });
    const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/pods`, list, 'watched=yes');
    for (const verb of ['add', 'update', 'delete']) {
      informer.on(verb, (pod) => tell({ verb, name: pod.metadata.name, phase: pod.status?.phase,
        known: informer.list(namespace).map((item) => item.metadata.name).sort() }));
    }
    informer.on('error', async () => { await pause(200); await informer.start(); });
    await informer.start();
    tell('started');
    await text(process.stdin);
    await informer.stop();
    process.exit(0);
  },

  /** watch <resourceVersion> <count>: so many events from there. */
  async watch() {
    const [resourceVersion, count] = words;
    let seen = 0;
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const query = { resourceVersion, allowWatchBookmarks: true, labelSelector: 'watched=yes', timeoutSeconds: 20 };
    const stopped = new Promise((done) => {
      const watching = new k8s.Watch(config).watch(path, query, async (type, object) => {
        tell({ type, name: object.metadata.name, version: object.metadata.resourceVersion });
        seen += 1;
        if (seen === Number(count)) (await watching).abort();
      }, done);
    });
    await stopped;
  },

  /** exec <pod> <command…>: standard input goes in. */
  async exec() {
    const [pod, ...command] = words;
    const out = collector(), err = collector();
    const status = await new Promise((done, failed) => new k8s.Exec(config).exec(namespace, pod, 'main', command, out.sink,
      err.sink, process.stdin, false, done).catch(failed));
    tell({ out: out.text(), err: err.text(), status: status.status, causes: status.details?.causes });
    process.exit(0);
  },

  async attach() {
    const out = new PassThrough(), input = new PassThrough();
    const socket = await new k8s.Attach(config).attach(namespace, words[0], 'main', out, null, input, false);
    input.write('you\n');
    tell(String(await new Promise((done) => out.once('data', done))));
    socket.close();
  },

  /** forward <pod> <port>: a local port, told first; ends with the standard input. */
  async forward() {
    const [pod, port] = words;
    const forward = new k8s.PortForward(config);
    const server = createServer((socket) => {
      const err = new Writable({ write(chunk, _, done) { tell({ err: String(chunk) }); done(); } });
      forward.portForward(namespace, pod, [Number(port)], socket, err, socket)
        .then((far) => { far.onclose = () => socket.end(); });
    });
    server.listen(0, '127.0.0.1', () => tell(server.address().port));
    await text(process.stdin);
    process.exit(0);
  },

  async log() {
    const [pod, count] = words;
    const lines = [];
    const stream = new PassThrough();
    const following = await new k8s.Log(config).log(namespace, pod, 'main', stream, { follow: true });
    for await (const line of (await import('node:readline')).createInterface(stream)) {
      lines.push(line);
      if (lines.length === Number(count)) break;
    }
    tell(lines);
    following.abort();
    process.exit(0);
  },

  /** copy <pod> <from>: into /tmp. The other way is broken in the package itself: it asks tar for gzip and reads none. */
  async copy() {
    const [pod, from] = words;
    await new k8s.Cp(config).cpToPod(namespace, pod, 'main', from, '/tmp');
  },

  /** elect <lease> <identity>: leads as long as it can. The package has no election; this one is by compare and swap. */
  async elect() {
    const [name, identity] = words;
    const leases = config.makeApiClient(k8s.CoordinationV1Api);
    const life = 2;
    let seen = { version: '', at: 0 }, leads = false;
    for (;; await pause(400)) {
      try {
        leads = await stand(leases, name, identity, life, seen);
      } catch (error) {
        if (error.code !== 409) throw error;
        leads = false;  // another was faster
      }
      tell({ identity, leads, at: Date.now() });
    }
  },
};

async function stand(leases, name, identity, life, seen) {
  const now = new k8s.V1MicroTime();
  const fresh = { holderIdentity: identity, leaseDurationSeconds: life, acquireTime: now, renewTime: now, leaseTransitions: 0 };
  let lease;
  try {
    lease = await leases.readNamespacedLease({ name, namespace });
  } catch (error) {
    if (error.code !== 404) throw error;
    await leases.createNamespacedLease({ namespace, body: { metadata: { name }, spec: fresh } });
    return true;
  }
  if (lease.metadata.resourceVersion !== seen.version) Object.assign(seen, { version: lease.metadata.resourceVersion, at: Date.now() });
  const isOurs = lease.spec.holderIdentity === identity;
  if (!isOurs && Date.now() - seen.at < lease.spec.leaseDurationSeconds * 1000) return false;
  const body = { ...lease, spec: { ...lease.spec, holderIdentity: identity, renewTime: now,
    ...(isOurs ? {} : { acquireTime: now, leaseTransitions: lease.spec.leaseTransitions + 1 }) } };
  await leases.replaceNamespacedLease({ name, namespace, body });
  return true;
}

async function text(stream) {
  let out = '';
  for await (const chunk of stream) out += chunk;
  return out;
}

await scenarios[scenario]();
