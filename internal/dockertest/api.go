package dockertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ErrNotFound is returned for a container, image or network that does not exist.
var ErrNotFound = errors.New("the Docker engine has no such thing")

// An api is the HTTP API of a Docker engine, in the oldest version that has what is
// needed: that of the engine of Debian 11.
type api struct {
	host string // for DOCKER_HOST: unix://… or tcp://…
	http *http.Client
}

const apiVersion = "/v1.41"

func newAPI(host string) (api, error) {
	u, err := url.Parse(host)
	if err != nil || u.Scheme != "unix" && u.Scheme != "tcp" {
		return api{}, errors.New("a Docker engine is named as unix:///path or tcp://host:port")
	}
	network, address := "unix", u.Path
	if u.Scheme == "tcp" {
		network, address = "tcp", u.Host
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return api{host, &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// send makes a request and returns the answer if it is a success.
func (a api) send(ctx context.Context, method, path string, body io.Reader, kind string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+apiVersion+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := a.http.Do(req)
	if err != nil || resp.StatusCode < 300 {
		return resp, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if resp.StatusCode == http.StatusNotFound {
		err = errors.Join(err, ErrNotFound)
	}
	return nil, errors.Join(fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(text)), err)
}

// do sends in as JSON, unless it is nil, and reads the answer into out, unless that is.
func (a api) do(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	resp, err := a.send(context.Background(), method, path, body, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		out = new(any)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (a api) remove(path string) error { return a.do("DELETE", path, nil, nil) }

func (a api) ping() error { return a.do("GET", "/info", nil, nil) }

// importImage makes an image of a file tree and a command.
func (a api) importImage(name string, tar []byte, command []string) error {
	cmd, err := json.Marshal(command)
	if err != nil {
		return err
	}
	repo, tag, _ := strings.Cut(name, ":")
	query := url.Values{"fromSrc": {"-"}, "repo": {repo}, "tag": {tag}, "changes": {"CMD " + string(cmd)}}
	resp, err := a.send(
		context.Background(), "POST", "/images/create?"+query.Encode(), bytes.NewReader(tar), "application/x-tar",
	)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && bytes.Contains(said, []byte(`"error"`)) {
		err = fmt.Errorf("importing %s: %s", name, said)
	}
	return err
}

// logs reads a container's log from its end, and, with follow, what is printed until done
// says so of all that was read. The log comes in frames of a stream's number, three zeros,
// a length of four bytes, and that many bytes.
func (a api) logs(ctx context.Context, container, tail string, follow bool, done func(string) bool) (string, error) {
	query := url.Values{"stdout": {"1"}, "stderr": {"1"}, "tail": {tail}, "follow": {strconv.FormatBool(follow)}}
	resp, err := a.send(ctx, "GET", "/containers/"+container+"/logs?"+query.Encode(), nil, "")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	for out := new(strings.Builder); ; {
		var header [8]byte
		if _, err := io.ReadFull(resp.Body, header[:]); errors.Is(err, io.EOF) {
			return out.String(), nil
		} else if err != nil {
			return "", err
		}
		if _, err := io.CopyN(out, resp.Body, int64(binary.BigEndian.Uint32(header[4:]))); err != nil {
			return "", err
		}
		if done(out.String()) {
			return out.String(), nil
		}
	}
}

// An Event is something that happened to a container.
type Event struct {
	Action string // create, start, die, destroy …
	Nanos  int64  // since 1970
}

type wireEvent struct {
	Action   string
	TimeNano int64 `json:"timeNano"`
}

// events reads the events of a container, those of the past first, until done says so of
// one, or until the engine has told all before a time in seconds, if that is given.
func (a api) events(ctx context.Context, container, until string, done func(Event) bool) error {
	filters, err := json.Marshal(map[string][]string{"container": {container}, "type": {"container"}})
	if err != nil {
		return err
	}
	query := url.Values{"since": {"1"}, "filters": {string(filters)}}
	if until != "" {
		query.Set("until", until)
	}
	resp, err := a.send(ctx, "GET", "/events?"+query.Encode(), nil, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for events := json.NewDecoder(resp.Body); ; {
		var e wireEvent
		if err := events.Decode(&e); errors.Is(err, io.EOF) && until != "" {
			return nil
		} else if err != nil {
			return err
		}
		if done(Event{e.Action, e.TimeNano}) {
			return nil
		}
	}
}
