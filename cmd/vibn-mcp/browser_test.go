package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// nodeTools returns the folder with axe-core, and skips a test for the browser
// where nobody asked for it: make browser installs what it needs.
func nodeTools(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("VIBN_BROWSER")
	if dir == "" {
		t.Skip("VIBN_BROWSER names no folder with axe-core; make browser installs it and Chromium, and runs this")
	}
	return dir
}

// chromium returns the path of the browser; the test is skipped without it, and
// fails in CI.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "there is no Chromium here; scripts/install-test-tools.sh browser installs it"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// A tab is a browser of its own, with one window.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// tabTime bounds what one test does in a tab. Only a page that lacks something takes
// so long, on however slow a machine.
const tabTime = 5 * time.Minute

// newTab starts a browser with a window of a size. It ends with the test.
func newTab(t *testing.T, width, height int64) *tab {
	t.Helper()
	tmp, err := os.MkdirTemp("", "vibn-") //nolint:usetesting // the test's own path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	options := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(filepath.Join(tmp, "profile")), chromedp.Env("TMPDIR="+tmp),
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("font-render-hinting", "none"),
	)
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	browser, leave := chromedp.NewContext(alloc)
	t.Cleanup(leave)
	if err := chromedp.Do(browser); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chromedp.Cancel(browser) }) // waits until it has let go of its folder
	ctx, cancel := context.WithTimeout(browser, tabTime)
	t.Cleanup(cancel)
	b := &tab{t, ctx}
	b.do(chromedp.EmulateViewport(width, height))
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.dump())
	}
}

// dump is what the page says, for a failure.
func (b *tab) dump() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), 2*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`)) // it is for a failure
	return text
}

// goTo opens an address.
func (b *tab) goTo(url string) { b.t.Helper(); b.do(chromedp.Navigate(url)) }

// click clicks what a selector finds, and waits for the page that comes of it.
func (b *tab) click(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)); err != nil {
		b.t.Fatalf("click %s: %v\n%s", selector, err, b.dump())
	}
}

// press clicks what stays on the page.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// text returns what a selector finds says.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return ask(b, chromedp.Text(chromedp.CSS(selector)))
}

// source returns the text content of what a selector finds, shown or not.
func (b *tab) source(selector string) string {
	b.t.Helper()
	return b.eval("document.querySelector(" + quoted(selector) + ")?.textContent ?? ''")
}

func (b *tab) html() string { b.t.Helper(); return b.eval("document.documentElement.outerHTML") }

func (b *tab) path() string { b.t.Helper(); return b.eval("location.pathname") }

func (b *tab) eval(js string) string {
	b.t.Helper()
	return ask(b, chromedp.Evaluate[string](js))
}

// ask runs an action that answers something.
func ask[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.dump())
	}
	return v
}

func quoted(s string) string {
	raw, _ := json.Marshal(s) // a string
	return string(raw)
}

// says fails the test unless the page says this.
func (b *tab) says(want string) {
	b.t.Helper()
	if got := b.eval(`document.body.innerText`); !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
		b.t.Fatalf("the page %s says\n%s\nand not %q", b.path(), got, want)
	}
}

// scheme shows pages in light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// withoutScript has pages run no script of theirs.
func (b *tab) withoutScript() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	if err != nil {
		b.t.Fatal(err)
	}
}

// shoot writes a picture of the window, in no more colours than a small file has.
func (b *tab) shoot(file string) {
	b.t.Helper()
	ask(b, chromedp.Evaluate[int](`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))`, chromedp.EvalAwaitPromise))
	full, err := png.Decode(bytes.NewReader(ask(b, chromedp.CaptureScreenshot())))
	if err != nil {
		b.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, fewColours(full)); err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// fewColours draws a picture with the 256 colours that it has most of; the edges of
// letters have the rest.
func fewColours(full image.Image) image.Image {
	counts := map[color.Color]int{}
	area := full.Bounds()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			counts[full.At(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return cmp.Compare(counts[b], counts[a]) })
	palette := color.Palette(all[:min(len(all), 256)])
	index := map[color.Color]uint8{}
	for _, c := range all {
		index[c] = uint8(palette.Index(c))
	}
	few := image.NewPaletted(area, palette)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			few.SetColorIndex(x, y, index[full.At(x, y)])
		}
	}
	return few
}

// tall makes the window as high as its page.
func (b *tab) tall(width int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 600))
	b.do(chromedp.EmulateViewport(width, ask(b, chromedp.Evaluate[int64](`document.documentElement.scrollHeight`))))
}

// accessible fails the test for each rule of axe-core that the page breaks, and if
// the page is wider than its window.
func (b *tab) accessible(tools string) {
	b.t.Helper()
	axe, err := os.ReadFile(filepath.Join(tools, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	type violation struct {
		ID    string `json:"id"`
		Help  string `json:"help"`
		Nodes []struct {
			HTML           string `json:"html"`
			FailureSummary string `json:"failureSummary"`
		} `json:"nodes"`
	}
	ask(b, chromedp.Evaluate[int](string(axe)+"; 0"))
	found := ask(b, chromedp.Evaluate[[]violation](`axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations)`, chromedp.EvalAwaitPromise))
	for _, v := range found {
		for _, n := range v.Nodes {
			b.t.Errorf("%s: %s: %s\n%s\n%s", b.path(), v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
	if wide := b.eval(`String(document.documentElement.scrollWidth - innerWidth)`); wide != "0" {
		b.t.Errorf("%s is %s pixels wider than its window", b.path(), wide)
	}
}
