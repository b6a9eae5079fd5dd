package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is the CPU time used so far by each participant.
type usage struct {
	server, upstream, generator time.Duration
}

func readUsage(o options) (usage, error) {
	server, err := cpuTime(o.server)
	if err != nil {
		return usage{}, err
	}
	upstream, err := cpuTime(o.upstream)
	if err != nil {
		return usage{}, err
	}
	generator, err := cpuTime([]int{os.Getpid()})
	return usage{server, upstream, generator}, err
}

// cpuTime returns the total CPU time of processes, as the kernel accounts for
// it: in nanoseconds, with all threads, including ended ones.
func cpuTime(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		var spec unix.Timespec
		// Linux derives the id of a process's CPU clock from its pid, as
		// clock_getcpuclockid(3) does; 2 selects the scheduler's accounting.
		if err := unix.ClockGettime(^int32(pid)<<3|2, &spec); err != nil {
			return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
		}
		sum += time.Duration(spec.Nano())
	}
	return sum, nil
}

// residentBytes returns the total resident memory of processes.
func residentBytes(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, line, _ := strings.Cut(string(status), "VmRSS:")
		var kib int64
		if _, err := fmt.Sscanf(line, "%d", &kib); err != nil {
			return 0, fmt.Errorf("VmRSS of process %d: %w", pid, err)
		}
		sum += kib << 10
	}
	return sum, nil
}
