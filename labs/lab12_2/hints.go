// SPDX-License-Identifier: Apache-2.0

package events

// hints by task, least revealing first.
var hints = map[string][]string{}
