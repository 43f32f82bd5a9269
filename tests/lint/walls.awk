# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Input: "FILE U|D SYMBOL" lines, the undefined and the defined symbols of object files named ROOM/FILE, and a list of
# rooms in the variable rooms, lowest first, with places of the same height joined by "=".
# Output: "up FILE FILE SYMBOL" for a symbol of a higher room, or of another one of the same height, and
# "circle FILE FILE..." for files of one room that use each other's symbols.

function room_of(file,    i, best) {
	best = 0
	for (i = 1; i <= n_rooms; i++)
		if (index(file, name[i] "/") == 1 && (!best || length(name[i]) > length(name[best])))
			best = i
	return best
}

BEGIN {
	n = split(rooms, level, " ")
	for (i = 1; i <= n; i++) {
		m = split(level[i], same, "=")
		for (j = 1; j <= m; j++) {
			name[++n_rooms] = same[j]
			height[n_rooms] = i
		}
	}
}

$2 == "D" { definers[$3] = definers[$3] " " $1 }
$2 == "U" { users[++n_users] = $1; wanted[n_users] = $3 }
!($1 in room) { room[$1] = room_of($1); files[++n_files] = $1 }

# A symbol that two programs define, each for itself, is that of the user's own room.
function definer(file, symbol,    k, n, list, found) {
	n = split(definers[symbol], list, " ")
	for (k = 1; k <= n; k++)
		if (!found || room[list[k]] == room[file] || (room[found] != room[file] && height[room[list[k]]] < height[room[found]]))
			found = list[k]
	return found
}

END {
	for (u = 1; u <= n_users; u++) {
		from = users[u]
		to = definer(from, wanted[u])
		if (!to || to == from)
			continue
		if (room[to] == room[from])
			uses[from, to] = reach[from, to] = 1
		else if (height[room[to]] >= height[room[from]])
			print "up", from, to, wanted[u]
	}
	for (k = 1; k <= n_files; k++)
		for (i = 1; i <= n_files; i++)
			if (reach[files[i], files[k]])
				for (j = 1; j <= n_files; j++)
					if (reach[files[k], files[j]])
						reach[files[i], files[j]] = 1
	for (i = 1; i <= n_files; i++) {
		if (done[files[i]] || !reach[files[i], files[i]])
			continue
		line = "circle"
		for (j = 1; j <= n_files; j++)
			if (reach[files[i], files[j]] && reach[files[j], files[i]]) {
				done[files[j]] = 1
				line = line " " files[j]
			}
		print line
	}
}
