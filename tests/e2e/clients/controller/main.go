// SPDX-License-Identifier: Apache-2.0

// A controller on client-go as many are written: shared informers, a work queue, events, leader election.
// A ConfigMap with the label web=yes says what is to be served: `greeting` and `replicas`. The controller makes a
// Deployment and a Service for it, keeps them so, and notes the number of ready pods in an annotation.
// Its standard output tells when it begins to lead and what it has done. See tests/e2e/test_client_go.py.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
)

const readyNote = "web/ready"

type controller struct {
	client      kubernetes.Interface
	configMaps  corelisters.ConfigMapLister
	deployments appslisters.DeploymentLister
	services    corelisters.ServiceLister
	queue       workqueue.RateLimitingInterface
	recorder    record.EventRecorder
}

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "the way to the cluster")
	namespace := flag.String("namespace", "default", "what is looked at")
	identity := flag.String("identity", "one", "who this is in the election")
	protobuf := flag.Bool("protobuf", false, "send bodies as protobuf, and prefer it in answers")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	check(err)
	if *protobuf {
		config.ContentType = "application/vnd.kubernetes.protobuf"
		config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	}
	client, err := kubernetes.NewForConfig(config)
	check(err)
	election := leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: "web-controller", Namespace: *namespace},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: *identity},
		},
		LeaseDuration:   4 * time.Second,
		RenewDeadline:   3 * time.Second,
		RetryPeriod:     500 * time.Millisecond,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { lead(ctx, client, *namespace, *identity) },
			OnStoppedLeading: func() { fmt.Println("stopped leading") },
			OnNewLeader:      func(name string) { fmt.Println("leader is", name) },
		},
	}
	// A lost lease is stood for again.
	for {
		leaderelection.RunOrDie(context.Background(), election)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func lead(ctx context.Context, client kubernetes.Interface, namespace, identity string) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 30*time.Second, informers.WithNamespace(namespace))
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: client.CoreV1().Events(namespace)})
	defer broadcaster.Shutdown()
	c := &controller{
		client:      client,
		configMaps:  factory.Core().V1().ConfigMaps().Lister(),
		deployments: factory.Apps().V1().Deployments().Lister(),
		services:    factory.Core().V1().Services().Lister(),
		queue:       workqueue.NewRateLimitingQueue(workqueue.DefaultControllerRateLimiter()),
		recorder:    broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "web-controller"}),
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueue,
		UpdateFunc: func(_, object interface{}) { c.enqueue(object) },
		DeleteFunc: c.enqueue,
	}
	factory.Core().V1().ConfigMaps().Informer().AddEventHandler(handler)
	factory.Core().V1().Services().Informer().AddEventHandler(handler)
	factory.Apps().V1().Deployments().Informer().AddEventHandler(handler)
	factory.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			fmt.Println("no sync of", kind)
			return
		}
	}
	fmt.Println("leads", identity)
	go func() {
		<-ctx.Done()
		c.queue.ShutDown()
	}()
	for c.work(ctx) {
	}
}

// enqueue takes a ConfigMap, or what a ConfigMap owns: both have its name.
func (c *controller) enqueue(object interface{}) {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object)
	if err == nil {
		c.queue.Add(key)
	}
}

func (c *controller) work(ctx context.Context) bool {
	key, isOver := c.queue.Get()
	if isOver {
		return false
	}
	defer c.queue.Done(key)
	if err := c.sync(ctx, key.(string)); err != nil {
		fmt.Println("again:", err)
		c.queue.AddRateLimited(key)
		return true
	}
	c.queue.Forget(key)
	return true
}

func (c *controller) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	wanted, err := c.configMaps.ConfigMaps(namespace).Get(name)
	if errors.IsNotFound(err) {
		return nil // what it owned is collected
	}
	if err != nil || !labels.SelectorFromSet(labels.Set{"web": "yes"}).Matches(labels.Set(wanted.Labels)) {
		return err
	}
	if err := c.keepService(ctx, wanted); err != nil {
		return err
	}
	deployment, err := c.keepDeployment(ctx, wanted)
	if err != nil {
		return err
	}
	return c.note(ctx, wanted, deployment.Status.ReadyReplicas)
}

func (c *controller) keepService(ctx context.Context, wanted *corev1.ConfigMap) error {
	_, err := c.services.Services(wanted.Namespace).Get(wanted.Name)
	if !errors.IsNotFound(err) {
		return err
	}
	service := &corev1.Service{
		ObjectMeta: owned(wanted),
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": wanted.Name},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt(8080)}},
		},
	}
	_, err = c.client.CoreV1().Services(wanted.Namespace).Create(ctx, service, metav1.CreateOptions{})
	return err
}

func (c *controller) keepDeployment(ctx context.Context, wanted *corev1.ConfigMap) (*appsv1.Deployment, error) {
	replicas, err := strconv.Atoi(wanted.Data["replicas"])
	if err != nil {
		c.recorder.Event(wanted, corev1.EventTypeWarning, "BadReplicas", err.Error())
		return nil, err
	}
	deployments := c.client.AppsV1().Deployments(wanted.Namespace)
	found, err := c.deployments.Deployments(wanted.Namespace).Get(wanted.Name)
	if errors.IsNotFound(err) {
		made, err := deployments.Create(ctx, deploymentFor(wanted, int32(replicas)), metav1.CreateOptions{})
		if err == nil {
			c.recorder.Eventf(wanted, corev1.EventTypeNormal, "Served", "made deployment %s", wanted.Name)
		}
		return made, err
	}
	if err != nil {
		return nil, err
	}
	env := found.Spec.Template.Spec.Containers[0].Env
	if *found.Spec.Replicas == int32(replicas) && env[0].Value == wanted.Data["greeting"] {
		return found, nil
	}
	fmt.Println("updates", wanted.Name)
	changed := found.DeepCopy()
	changed.Spec = deploymentFor(wanted, int32(replicas)).Spec
	return deployments.Update(ctx, changed, metav1.UpdateOptions{})
}

func (c *controller) note(ctx context.Context, wanted *corev1.ConfigMap, ready int32) error {
	count := strconv.Itoa(int(ready))
	if wanted.Annotations[readyNote] == count {
		return nil
	}
	configMaps := c.client.CoreV1().ConfigMaps(wanted.Namespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		fresh, err := configMaps.Get(ctx, wanted.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		metav1.SetMetaDataAnnotation(&fresh.ObjectMeta, readyNote, count)
		_, err = configMaps.Update(ctx, fresh, metav1.UpdateOptions{})
		return err
	})
}

func owned(wanted *corev1.ConfigMap) metav1.ObjectMeta {
	owner := metav1.NewControllerRef(wanted, corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	return metav1.ObjectMeta{Name: wanted.Name, Namespace: wanted.Namespace, OwnerReferences: []metav1.OwnerReference{*owner}}
}

func deploymentFor(wanted *corev1.ConfigMap, replicas int32) *appsv1.Deployment {
	app := map[string]string{"app": wanted.Name}
	grace := int64(1)
	container := corev1.Container{
		Name:            "web",
		Image:           "tetrarch.dev/demo:1",
		ImagePullPolicy: corev1.PullIfNotPresent,
		Env:             []corev1.EnvVar{{Name: "GREETING", Value: wanted.Data["greeting"]}},
		Resources:       corev1.ResourceRequirements{Requests: corev1.ResourceList{"memory": resource.MustParse("2Mi")}},
	}
	return &appsv1.Deployment{
		ObjectMeta: owned(wanted),
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: app},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: app},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{container}, TerminationGracePeriodSeconds: &grace},
			},
		},
	}
}
