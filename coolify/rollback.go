package coolify

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// RollbackImages are an application's images that its server still has.
type RollbackImages struct {
	Current string // tag of the running image; "" if Coolify could not determine it
	Images  []RollbackImage
}

// A RollbackImage is one image. Its tag is usually the commit from which it was built.
type RollbackImage struct {
	Tag     string
	Current bool
}

type wireRollbackImages struct {
	Current text `json:"current"`
	Images  list[struct {
		Tag     text `json:"tag"`
		Current flag `json:"is_current"`
	}] `json:"images"`
}

func (w *wireRollbackImages) check([]UUID) error {
	if w.Images == nil {
		return errAnswer
	}
	return nil
}

// RollbackImages returns the images to which [AppClient.Rollback] can go back without a
// build. If the server does not answer, the list is empty. [ErrRouteMissing] before 4.3.
// Slow.
//
//api:op GET /applications/{uuid}/rollback-images
func (a AppClient) RollbackImages(ctx context.Context) (RollbackImages, error) {
	r := newRequest("GET", "/applications/{uuid}/rollback-images", a.id)
	r.op.Slow = true
	var w wireRollbackImages
	if err := a.c.do(ctx, r, &w); err != nil {
		return RollbackImages{}, err
	}
	out := RollbackImages{Current: string(w.Current)}
	for _, i := range w.Images {
		out.Images = append(out.Images, RollbackImage{string(i.Tag), bool(i.Current)})
	}
	return out, nil
}

// Rollback queues a deployment of the image of a commit. Coolify does not build it again
// if the server still has it. The application's own commit stays unchanged, so the next
// deployment goes forward again. [ErrQueueFull] if the server's queue is full;
// [ErrRouteMissing] before 4.3.
//
//api:op POST /applications/{uuid}/rollback
func (a AppClient) Rollback(ctx context.Context, commit string) (Queued, error) {
	r := newRequest("POST", "/applications/{uuid}/rollback", a.id)
	r.body = struct {
		Commit string `json:"commit"`
	}{commit}
	var w wireQueued
	err := a.c.do(ctx, r, &w)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusBadRequest &&
		strings.HasPrefix(e.Detail, "Deployment queue") {
		e.Kind = ErrQueueFull
	}
	return w.queued, err
}
