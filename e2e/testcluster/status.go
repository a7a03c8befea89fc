package testcluster

import (
	"context"
	"log"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// report writes the pod's status.
func (p *pod) report(ctx context.Context) {
	object := p.get()
	pods := p.node.client.CoreV1().Pods(object.Namespace)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current, err := pods.Get(ctx, object.Name, metav1.GetOptions{})
		if err != nil || current.UID != object.UID {
			return err
		}
		p.fillStatus(current)
		_, err = pods.UpdateStatus(ctx, current, metav1.UpdateOptions{})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		log.Printf("status of %s/%s: %v", object.Namespace, object.Name, err)
	}
}

// fillStatus computes the status of a pod from its containers.
func (p *pod) fillStatus(object *corev1.Pod) {
	status := &object.Status
	status.HostIP, status.HostIPs = nodeIP, []corev1.HostIP{{IP: nodeIP}}
	status.PodIP, status.PodIPs = nodeIP, []corev1.PodIP{{IP: nodeIP}}
	if status.StartTime == nil {
		now := metav1.Now()
		status.StartTime = &now
	}
	status.ContainerStatuses, status.EphemeralContainerStatuses = nil, nil
	for _, spec := range object.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, p.containerStatus(spec))
	}
	for _, spec := range object.Spec.EphemeralContainers {
		status.EphemeralContainerStatuses = append(status.EphemeralContainerStatuses,
			p.containerStatus(corev1.Container(spec.EphemeralContainerCommon)))
	}
	running, failed := 0, false
	for _, s := range status.ContainerStatuses {
		if s.State.Running != nil {
			running++
		} else if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			failed = true
		}
	}
	ready := corev1.ConditionFalse
	if running == len(status.ContainerStatuses) {
		ready = corev1.ConditionTrue
	}
	switch final := object.Spec.RestartPolicy == corev1.RestartPolicyNever || !failed && object.Spec.RestartPolicy == corev1.RestartPolicyOnFailure; {
	case running > 0 || !final:
		status.Phase = corev1.PodRunning
	case failed:
		status.Phase = corev1.PodFailed
	default:
		status.Phase = corev1.PodSucceeded
	}
	setCondition(status, corev1.PodReadyToStartContainers, corev1.ConditionTrue)
	setCondition(status, corev1.PodInitialized, corev1.ConditionTrue)
	setCondition(status, corev1.ContainersReady, ready)
	setCondition(status, corev1.PodReady, ready)
}

func (p *pod) containerStatus(spec corev1.Container) corev1.ContainerStatus {
	status := corev1.ContainerStatus{Name: spec.Name, Image: spec.Image, ImageID: spec.Image}
	c := p.run(spec.Name, false)
	if c == nil {
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
		return status
	}
	status.ContainerID = "testcluster://" + c.id
	status.RestartCount = c.attempt
	status.State = c.state()
	if previous := p.run(spec.Name, true); previous != nil {
		status.LastTerminationState = previous.state()
	}
	status.Ready = status.State.Running != nil
	status.Started = &status.Ready
	return status
}

func (c *container) state() corev1.ContainerState {
	if c.running() {
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(c.started)}}
	}
	reason := "Completed"
	if c.exitCode != 0 {
		reason = "Error"
	}
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: c.exitCode, Reason: reason, ContainerID: "testcluster://" + c.id,
		StartedAt: metav1.NewTime(c.started), FinishedAt: metav1.NewTime(c.finished),
	}}
}

func setCondition(status *corev1.PodStatus, kind corev1.PodConditionType, value corev1.ConditionStatus) {
	for i := range status.Conditions {
		if c := &status.Conditions[i]; c.Type == kind {
			if c.Status != value {
				c.Status, c.LastTransitionTime = value, metav1.Now()
			}
			return
		}
	}
	status.Conditions = append(status.Conditions,
		corev1.PodCondition{Type: kind, Status: value, LastTransitionTime: metav1.Now()})
}
