// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
	"bpflab/labs/lab12_3/controller"
)

const (
	starterController  = "../controller.go"
	solutionController = "../../../solutions/lab12_3/controller.go"
)

// plantSeed is a seed that plants are drawn from.
var plantSeed = job.Seed(4711).Part(job.PartLater)

// ask builds a controller and returns what has it answer: the file itself, and no copy of it.
func ask(t *testing.T, file string) func([]controller.Interval) []float64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "controller")
	out, err := exec.Command("go", "build", "-o", path, file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	reply, end, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(path)
	cmd.ExtraFiles = []*os.File{end}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	end.Close()
	t.Cleanup(func() {
		in.Close()
		assert.NoError(t, cmd.Wait())
		reply.Close()
	})
	answers := bufio.NewReader(reply)
	return func(seen []controller.Interval) (rates []float64) {
		var list [][4]int64
		for _, i := range seen {
			list = append(list, [4]int64{int64(i.Length), int64(i.Events), int64(i.Sampled), int64(i.Busy)})
		}
		line, err := json.Marshal(list)
		require.NoError(t, err)
		_, err = in.Write(append(line, '\n'))
		require.NoError(t, err)
		answer, err := answers.ReadBytes('\n')
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(answer, &rates))
		return rates
	}
}

// held counts the plants that a controller has held.
func held(seed uint64, n int, ask func([]controller.Interval) []float64) (count int) {
	for i, parts := range steer(seed, n, ask) {
		if misses, _ := NewPlant(seed, i).Misses(parts); misses == 0 && len(parts) == Intervals {
			count++
		}
	}
	return count
}

// each answers for each sampler by itself, without a process.
func each(next func(i int, v controller.Interval) float64) func([]controller.Interval) []float64 {
	return func(seen []controller.Interval) (rates []float64) {
		for i, v := range seen {
			rates = append(rates, next(i, v))
		}
		return rates
	}
}

const many = 500

func TestSolutionHoldsEveryPlant(t *testing.T) {
	assert.Equal(t, many, held(plantSeed, many, ask(t, solutionController)))
}

func TestStarterHoldsFewPlants(t *testing.T) {
	n := held(plantSeed, many, ask(t, starterController))
	assert.Less(t, n, many/3)
	t.Logf("the starter holds %d of %d", n, many)
}

// What a controller could get away with, it would.
func TestPlantsAreNotHeldBy(t *testing.T) {
	rates := map[int]float64{}
	sums := map[int]float64{}
	for name, next := range map[string]func(int, controller.Interval) float64{
		"the least":   func(int, controller.Interval) float64 { return controller.MinRate },
		"the highest": func(int, controller.Interval) float64 { return controller.MaxRate },
		"a half":      func(int, controller.Interval) float64 { return 0.5 },
		"the right rate, if the time were what all cost": func(_ int, v controller.Interval) float64 {
			return min(max(0.02*float64(v.Length)/max(float64(v.Events)*2200, 1), controller.MinRate), controller.MaxRate)
		},
		"back and forth": func(_ int, v controller.Interval) float64 {
			if float64(v.Busy) > 0.02*float64(v.Length) {
				return controller.MinRate
			}
			return controller.MaxRate
		},
		"a tenth of the way": func(i int, v controller.Interval) float64 {
			if _, ok := rates[i]; !ok {
				rates[i] = 0.5
			}
			if v.Busy > 0 {
				right := rates[i] * 0.02 * float64(v.Length) / float64(v.Busy)
				rates[i] += (min(max(right, controller.MinRate), controller.MaxRate) - rates[i]) / 10
			}
			return rates[i]
		},
		"a sum that winds up": func(i int, v controller.Interval) float64 {
			sums[i] += 0.02 - float64(v.Busy)/float64(v.Length)
			return min(max(10*sums[i], controller.MinRate), controller.MaxRate)
		},
	} {
		n := held(plantSeed, many, each(next))
		t.Logf("%s: %d of %d", name, n, many)
		assert.Less(t, n, many/3, name)
	}
}

func TestPlant(t *testing.T) {
	for n := range 200 {
		p, q := NewPlant(plantSeed, n), NewPlant(plantSeed, n)
		for k := range Intervals {
			part := int64(MinPart + (Whole-MinPart)*k/Intervals)
			v := p.Next(part)
			require.Equal(t, v, q.Next(part), "the same seed, the same plant")
			require.Equal(t, p.Length, v.Length)
			require.GreaterOrEqual(t, v.Length, minInterval)
			require.LessOrEqual(t, v.Length, maxInterval)
			require.LessOrEqual(t, v.Sampled, v.Events)
			require.GreaterOrEqual(t, v.Busy, time.Duration(0))
			if k >= p.idle && k < p.idle+idleIntervals {
				require.Zero(t, v.Events+v.Sampled+uint64(v.Busy), "nothing happens")
				continue
			}
			require.EqualValues(t, p.Loads[k/StepIntervals]*int64(p.Length)/int64(time.Second), v.Events)
			require.InDelta(t, steps[k/StepIntervals], p.Loads[k/StepIntervals], float64(steps[k/StepIntervals])/5)
			mean := float64(v.Events) * float64(part) / Whole
			require.InDelta(t, mean, float64(v.Sampled), 2*math.Sqrt(mean)+1)
			real := p.Overhead(k, part)
			require.InDelta(t, real, int64(v.Busy)*PPM/int64(v.Length), 0.05*float64(real)+5, "measured with an error of 5% at most")
		}
		require.GreaterOrEqual(t, p.idle%StepIntervals, Settled, "a step comes first")
		require.Less(t, p.idle%StepIntervals+2*idleIntervals, StepIntervals)
	}
	assert.NotEqual(t, NewPlant(1, 0).sample, NewPlant(2, 0).sample)
	assert.NotEqual(t, NewPlant(1, 0).sample, NewPlant(1, 1).sample)
}

func TestHolds(t *testing.T) {
	for _, tt := range []struct {
		overhead, part int64
		want           bool
	}{
		{20_000, Whole / 2, true}, {25_000, Whole / 2, true}, {15_000, Whole / 2, true},
		{25_001, Whole / 2, false}, {14_999, Whole / 2, false},
		{90_000, MinPart, true}, {90_000, MinPart + 1, false},
		{1, Whole, true}, {1, Whole - Whole/100, true}, {1, Whole - Whole/100 - 1, false},
	} {
		assert.Equal(t, tt.want, Holds(tt.overhead, tt.part), "%+v", tt)
	}
}

// Nothing is asked of a rate just after a step, while nothing happens, and just after that.
func TestMissesAreForgiven(t *testing.T) {
	p := NewPlant(plantSeed, 0)
	good := steer(plantSeed, 1, ask(t, solutionController))[0]
	n, first := p.Misses(good)
	require.Zero(t, n)
	require.Equal(t, -1, first)
	asked := 0
	for k := range good {
		parts := append([]int64{}, good...)
		if parts[k] = MinPart; Holds(p.Overhead(k, MinPart), MinPart) {
			if parts[k] = Whole; Holds(p.Overhead(k, Whole), Whole) {
				continue
			}
		}
		forgiven := k%StepIntervals < Settled || k >= p.idle && k < p.idle+2*idleIntervals
		n, first := p.Misses(parts)
		if forgiven {
			assert.Zero(t, n, "interval %d", k)
			continue
		}
		asked++
		assert.Equal(t, 1, n, "interval %d", k)
		assert.Equal(t, k, first)
	}
	assert.Greater(t, asked, 40)
}

func TestToPart(t *testing.T) {
	assert.EqualValues(t, MinPart, toPart(controller.MinRate))
	assert.EqualValues(t, Whole, toPart(controller.MaxRate))
	assert.EqualValues(t, Whole/2, toPart(0.5))
	assert.GreaterOrEqual(t, float64(MinPart)/Whole, controller.MinRate)
}
