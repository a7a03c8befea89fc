package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// Event is one line of the gateway's audit log.
type Event map[string]any

// Text returns a field as text, "" if it is absent.
func (e Event) Text(field string) string {
	if value, present := e[field]; present {
		return fmt.Sprint(value)
	}
	return ""
}

// Events returns the audit log as far as it has been written.
func (s *Stack) Events() ([]Event, error) {
	file, err := os.Open(s.AuditFile)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var events []Event
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return events, nil // what is left is a line that is being written
		}
		var event Event
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("audit line %q: %w", line, err)
		}
		events = append(events, event)
	}
}

// Metrics are the samples of one scrape, by name and labels as they are written:
// spliceway_requests_total{code="200"}.
type Metrics map[string]float64

// Sum adds up the samples of a name whose labels have all the given pairs, each
// written as label="value".
func (m Metrics) Sum(name string, pairs ...string) float64 {
	var sum float64
sample:
	for key, value := range m {
		base, labels, _ := strings.Cut(key, "{")
		if base != name {
			continue
		}
		for _, pair := range pairs {
			if !strings.Contains(","+strings.TrimSuffix(labels, "}")+",", ","+pair+",") {
				continue sample
			}
		}
		sum += value
	}
	return sum
}

// Metrics scrapes the gateway.
func (s *Stack) Metrics(ctx context.Context) (Metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.MetricsURL+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET /metrics: %s", response.Status)
	}
	metrics := Metrics{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics line %q: %w", line, err)
		}
		metrics[line[:at]] = value
	}
	return metrics, nil
}
