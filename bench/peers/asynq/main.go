// asynq's part of bench/peers; `run --help` says what a driver is.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

type payload struct {
	N    int    `json:"n"`
	Body string `json:"body"`
}

var (
	option   = map[string]string{}
	body     = strings.Repeat("x", 180)
	messages int
	redis    asynq.RedisClientOpt
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(name string) int {
	value, err := strconv.Atoi(option[name])
	check(err)
	return value
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

func task(n int) *asynq.Task {
	text, err := json.Marshal(payload{n, body})
	check(err)
	return asynq.NewTask("m", text)
}

// Times the messages between the first and the last tenth.
type meter struct {
	mutex                      sync.Mutex
	first, last, count, marked int
	begin                      time.Time
	cpu                        float64
	timed                      map[string]any
	result                     chan map[string]any
}

func newMeter() *meter {
	m := &meter{first: messages / 10, last: messages - messages/10}
	m.result = make(chan map[string]any, 1)
	m.mark()
	return m
}

func (m *meter) mark() { m.marked, m.begin, m.cpu = m.count, time.Now(), cpuSeconds() }

func (m *meter) add() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.count++
	if m.count == m.last {
		m.timed = map[string]any{
			"timed":       m.count - m.marked,
			"seconds":     time.Since(m.begin).Seconds(),
			"cpu_seconds": cpuSeconds() - m.cpu,
		}
	} else if m.count == m.first {
		m.mark()
	}
	if m.count == messages {
		m.result <- m.timed
	}
	if m.count > messages {
		check(fmt.Errorf("%d of %d messages", m.count, messages))
	}
}

// The two intervals are of polling; asynq's own, 1 s and 5 s, would be all that latencies show.
func startServer(handler func(payload)) *asynq.Server {
	server := asynq.NewServer(redis, asynq.Config{
		Concurrency:              number("concurrency"),
		TaskCheckInterval:        time.Duration(number("poll_ms")) * time.Millisecond,
		DelayedTaskCheckInterval: time.Duration(number("poll_ms")) * time.Millisecond,
		LogLevel:                 asynq.ErrorLevel,
	})
	check(server.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		var decoded payload
		if err := json.Unmarshal(task.Payload(), &decoded); err != nil {
			return err
		}
		handler(decoded)
		return nil
	})))
	return server
}

func produce() map[string]any {
	client := asynq.NewClient(redis)
	defer client.Close()
	check(client.Ping())
	m := newMeter()
	var next atomic.Int64
	for i := 0; i < number("inflight"); i++ {
		go func() {
			for n := next.Add(1); n <= int64(messages); n = next.Add(1) {
				_, err := client.Enqueue(task(int(n)))
				check(err)
				m.add()
			}
		}()
	}
	return <-m.result
}

func consume() map[string]any {
	m := newMeter()
	server := startServer(func(payload) { m.add() })
	defer server.Shutdown()
	return <-m.result
}

func latency() map[string]any {
	client := asynq.NewClient(redis)
	defer client.Close()
	arrival := make(chan time.Time, 1)
	server := startServer(func(payload) { arrival <- time.Now() })
	defer server.Shutdown()
	time.Sleep(200 * time.Millisecond)
	var samples []float64
	for n := 0; n < messages; n++ {
		begin := time.Now()
		_, err := client.Enqueue(task(n))
		check(err)
		samples = append(samples, (<-arrival).Sub(begin).Seconds()*1e3)
		time.Sleep(5 * time.Millisecond)
	}
	return map[string]any{"ms": samples}
}

func delayed() map[string]any {
	client := asynq.NewClient(redis)
	defer client.Close()
	delay := time.Duration(number("delay_ms")) * time.Millisecond
	gap := time.Duration(number("gap_ms")) * time.Millisecond
	due := make([]time.Time, messages)
	var samples []float64
	var mutex sync.Mutex
	done := make(chan struct{})
	server := startServer(func(handled payload) {
		now := time.Now()
		mutex.Lock()
		defer mutex.Unlock()
		samples = append(samples, now.Sub(due[handled.N]).Seconds()*1e3)
		if len(samples) == messages {
			close(done)
		}
	})
	defer server.Shutdown()
	begin := time.Now()
	for n := 0; n < messages; n++ {
		mutex.Lock()
		due[n] = time.Now().Add(delay)
		mutex.Unlock()
		_, err := client.Enqueue(task(n), asynq.ProcessIn(delay))
		check(err)
		time.Sleep(time.Until(begin.Add(time.Duration(n+1) * gap)))
	}
	<-done
	return map[string]any{"ms": samples}
}

func main() {
	for _, setting := range os.Args[2:] {
		name, value, _ := strings.Cut(setting, "=")
		option[name] = value
	}
	messages = number("messages")
	opt, err := asynq.ParseRedisURI(option["url"])
	check(err)
	redis = opt.(asynq.RedisClientOpt)
	if option["connections"] != "" {
		redis.PoolSize = number("connections")
	}
	jobs := map[string]func() map[string]any{
		"produce": produce, "consume": consume, "latency": latency, "delayed": delayed,
	}
	result := jobs[os.Args[1]]()
	result["job"], result["messages"] = os.Args[1], messages
	check(json.NewEncoder(os.Stdout).Encode(result))
}
