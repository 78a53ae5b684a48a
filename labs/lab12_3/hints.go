// SPDX-License-Identifier: Apache-2.0

package sampling

import "bpflab/harness/host/judge"

// hints by task, least revealing first.
var hints = map[string][]judge.Hint{
	"verifier": {
		{Text: "The report says what the rejection means, and shows the last lines of the verifier's log. `bpflab explain FILE` does the same for any program."},
		{Text: "A lookup returns a pointer that may be NULL, even into an array of one entry: look before you use it."},
		{Text: "A reservation in the ring must be submitted or discarded on every path out."},
	},
	"counts": {
		{Text: "Two numbers are kept: calls that were seen, and events that were sent. Does each change just where that happens?"},
		{Text: "An event counts as sampled when it is in the ring. A reservation may fail."},
		{Text: "Calls of other processes and other system calls are not seen at all. And each CPU needs an entry of its own: a BPF_MAP_TYPE_PERCPU_ARRAY gives it one."},
	},
	"sample": {
		{Text: "Imagine a rate of 10%: which calls does your program take? If the calls come in turn, ten kinds of them, which kinds does it take?"},
		{Text: "A rule that takes every nth call is in step with every load that repeats itself. Something must be drawn by chance."},
		{Text: "`rate` is how many of 65,536 calls to take, and it changes as the program runs. A random number below 65,536 is less than it exactly that often."},
		{Text: "Or draw how far it is to the next sample: 1 to 2/rate - 1 calls, each as likely. That is 1/rate on average, and one random number for each sample. 1/rate is seldom whole: keep the place of the next sample in 65,536ths of a call, and add the distance to that place instead of starting from the call at hand."},
	},
	"cost": {
		{Text: "At 1%, what does your program do for the other 99 calls? All of it is what this task measures."},
		{Text: "Nothing that only a sample needs belongs before the decision: not the clock, not the argument."},
		{Text: "Global data is read by one instruction; a hash lookup takes about a hundred. And a random number is a call."},
		{Text: "Keep, in the entry that you have looked up anyway, the number of the next call to take (mine[] is yours). Then a call that is not taken costs a count and a comparison. How far to go to the next one: task 3's last hint."},
	},
	"controller": {
		{Text: "What does a sample cost? The starter guesses. What would tell you?", For: []string{"constant", "wrong way"}},
		{Text: "Busy divided by Length is the overhead, measured. If it is twice the target, what rate would have been right?"},
		{Text: "rate × target / overhead is right at once if all of the time goes into samples, and nearly right if some does not; the next interval corrects the rest. A fixed step is too small at one load and too large at another."},
		{Text: "Keep nothing that can grow while the rate stands at its limit. And when nothing happened, Busy is 0, by which you cannot divide: such an interval says nothing of the rate."},
	},
	"live": {
		{Text: "The same controller, the same loads, your own sampler. If it held the simulated ones, what is different here?"},
		{Text: "The time is what the kernel says your program ran. A sampler that ignores `rate` cannot be steered; one that is expensive even for calls it does not sample leaves no time for samples."},
		{Text: "At a million calls a second not even the reference can stay at 2%: counting alone takes more. The right rate is then the least one, 1%."},
	},
	"low_load": {
		{Text: "At ten thousand calls a second, what would it cost to take them all?"},
		{Text: "Where even the highest rate stays below the target, the highest rate is right: 100%."},
		{Text: "A controller that has been at a high load must come back quickly, and one that begins at half the rate must not stay there."},
	},
}

// symptoms are hints for what a verdict found, by task and by what it has found or the word in its cell.
var symptoms = map[string]map[string]string{
	"counts": {
		"LOST":  "On one CPU it was right. Two CPUs share something that they should not.",
		"WRONG": "It is wrong on one CPU already. Compare the two numbers in the report: is a call counted that was not sent, or sent and not counted, or another's?",
	},
	"sample": {
		"BIASED": "Each rate that went wrong is listed below the table. If the number of samples is wrong, think of the rate; if one class has too many, think of what is in step with what.",
	},
	"controller": {
		"ENDED":    "Your controller was ended: it no longer answers, or has answered what is no rate. It must return a number from 0.01 to 1 for every interval, a share and not a percentage, also for an interval in which nothing happened: 0 divided by 0 is none.",
		"constant": "The rate stays as it is, whatever the controller is told. What in your answer depends on the interval?",
		"swings":   "At one load the overhead is too high and then too low, or the reverse: the controller overshoots. How far does it move the rate where the overhead is twice the target, and how far should it?",
		"late":     "The rate moves to where it should be, but is not there within ten intervals of a step. The loads differ by a factor of ten: does the rate move as far at each?",
		"stands":   "The load has changed, and the rate stays at its limit. Is there something in your controller that has grown while the rate could not follow, and must shrink again first?",

		"wrong way": "The overhead is too high and the rate goes up, or it is too low and the rate goes down. By the sign of which term does your answer go up?",

		"low":  "Wherever it is wrong, the overhead is too low, and the rate could still go up. Is the target 2%, can the rate reach 1, and is nothing left over from a higher load?",
		"high": "Wherever it is wrong, the overhead is too high, and the rate could still go down. Is the target 2%, can the rate reach 0.01, and is nothing left over from a lower load?",
	},
	"live": {
		"WRONG":        "This is the sampler, not the controller. Here `rate` changes every 10 ms, at up to a million calls a second: does the sampler still count each call, and go by the rate that was set last?",
		"low":          "Wherever it is wrong, the overhead is too low, and the rate could still go up. How many intervals does that take the controller?",
		"high":         "Wherever it is wrong, the overhead is too high, and the rate could still go down. How many intervals does that take the controller?",
		judge.Followed: "Live, all is as it should be. The points that are missing are task 5's: work there.",
	},
	"low_load": {
		"late":         "In the end the rate is high enough, but it takes too long to get there. How many intervals does it need from a half to the full rate?",
		"expensive":    "The overhead is at its target, and the rate still too low: a sample is so expensive that the time does not pay for four of five calls. Make it cheaper.",
		judge.Followed: "Enough is sampled. The points that are missing are task 6's: work there.",
	},
}
