// SPDX-License-Identifier: Apache-2.0

package sampling

// hints by task, least revealing first.
var hints = map[string][]string{}
