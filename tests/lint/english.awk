# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reports the words of a word list in the text of files. Reads lines "KIND<tab>PATH" from standard input; the variable
# `words` names the list. Prints "PATH<tab>LINE<tab>PATTERN<tab>INSTEAD<tab>TEXT" for each hit, TEXT being the words
# around it. Kinds: c (comments and string literals), shell (comments, and quoted strings of two blanks or more),
# text (paragraphs), md (the same without code blocks), man (the same without macros and literal blocks).
#
# A file becomes units of text (a comment, a paragraph, a string). A unit becomes lower-case words with the line that each
# of them came from. The patterns are matched against the joined words, so a phrase is found across line ends.

function read_words(   line, column, n) {
	while ((getline line < words) > 0) {
		if (line ~ /^#/ || line == "")
			continue
		n = split(line, column, "\t")
		patterns++
		shown[patterns] = column[1]
		pattern[patterns] = " " column[1] " "
		instead[patterns] = column[2]
		allowed[patterns] = n > 3 ? " " column[4] " " : ""
	}
	close(words)
}

# Adds the words of @text, which is in line @line, to the unit.
function add(text, line,   word, n, i) {
	text = tolower(text)
	gsub(/%[-+ #0-9.*]*(hh|h|ll|l|j|z|t)?[a-z]/, " x ", text)
	gsub(/\\[nt]/, " ", text)
	gsub(/\\/, "", text)
	gsub(/[.;:!?()|,]+/, " | ", text)
	gsub(/[^a-z0-9'|]+/, " ", text)
	n = split(text, word, " ")
	for (i = 1; i <= n; i++) {
		line_of[++count] = line
		unit = unit word[i] " "
	}
}

# Ends the unit: matches all patterns.
function end_unit(   i, at, first, next_at, before, n, from) {
	if (count) {
		unit = " " unit
		for (i = 1; i <= patterns; i++) {
			# Each turn continues behind the match, at its last blank, so that it ends.
			for (at = 0; match(substr(unit, at + 1), pattern[i]); at = next_at) {
				first = at + RSTART
				next_at = at + RSTART + RLENGTH - 2
				before = substr(unit, 1, first)
				n = gsub(/ /, " ", before)
				from = first > 40 ? first - 40 : 1
				if (allowed[i] == "" || !allowed_at(unit, first, allowed[i]))
					printf "%s\t%d\t%s\t%s\t%s\n", path, line_of[n], shown[i], instead[i], substr(unit, from, 110)
			}
		}
	}
	unit = ""
	count = 0
}

# Whether the text around @at, a few words before and after it, matches @what.
function allowed_at(text, at, what,   from) {
	from = at > 20 ? at - 20 : 1
	return substr(text, from, 48) ~ what
}

function read_c(   line, n, i, c, two, state, text, literals) {
	state = ""
	while ((getline line < path) > 0) {
		number++
		text = ""
		literals = 0
		n = length(line)
		if (state == "" && line ~ /^[ \t]*#[ \t]*include/)
			continue
		# Lines of code without a comment and without a literal, which are most of them.
		if (state == "" && line !~ /["\/]/) {
			if (line ~ /[^ \t]/)
				end_unit()
			continue
		}
		for (i = 1; i <= n; i++) {
			c = substr(line, i, 1)
			two = substr(line, i, 2)
			if (state == "comment") {
				if (two == "*/") {
					add(text, number)
					text = ""
					end_unit()
					state = ""
					i++
				} else {
					text = text c
				}
			} else if (state == "string") {
				if (c == "\\") {
					text = text two
					i++
				} else if (c == "\"") {
					add(text, number)
					text = ""
					state = ""
				} else {
					text = text c
				}
			} else if (two == "/*") {
				end_unit()
				state = "comment"
				i++
			} else if (two == "//") {
				end_unit()
				add(substr(line, i + 2), number)
				end_unit()
				break
			} else if (c == "'") {
				i += substr(line, i + 1, 1) == "\\" ? 3 : 2
			} else if (c == "\"") {
				state = "string"
			} else if (c !~ /[ \t]/) {
				# Literals with nothing but blanks between them are one text.
				end_unit()
			}
		}
		if (state == "comment") {
			sub(/^[ \t]*\*/, "", text)
			if (text !~ /[^ \t]/)
				end_unit()
			add(text, number)
		}
	}
	end_unit()
}

# Comments of a scripting language, whole lines as one paragraph, and quoted strings.
function read_shell(   line, n, i, c, quote, text) {
	while ((getline line < path) > 0) {
		number++
		if (line ~ /^[ \t]*#/) {
			sub(/^[ \t]*#+!?/, "", line)
			if (line !~ /[^ \t]/)
				end_unit()
			add(line, number)
			continue
		}
		end_unit()
		n = length(line)
		quote = text = ""
		for (i = 1; i <= n; i++) {
			c = substr(line, i, 1)
			if (quote != "") {
				if (c == "\\" && quote == "\"") {
					i++
				} else if (c == quote) {
					if (text ~ / .* /) {
						add(text, number)
						end_unit()
					}
					quote = text = ""
				} else {
					text = text c
				}
			} else if (c == "\\") {
				i++
			} else if (c == "\"" || c == "'") {
				quote = c
			} else if (c == "#" && (i == 1 || substr(line, i - 1, 1) ~ /[ \t]/) && substr(line, i + 1, 1) == " ") {
				add(substr(line, i + 1), number)
				end_unit()
				break
			}
		}
	}
	end_unit()
}

function read_text(markdown, man,   line, code, literal) {
	code = literal = 0
	while ((getline line < path) > 0) {
		number++
		if (markdown && line ~ /^[ \t]*```/) {
			code = !code
			end_unit()
			continue
		}
		if (code || (markdown && line ~ /^(    |\t)/))
			continue
		if (man) {
			if (line ~ /^\.\\"/)
				continue
			if (line ~ /^\.Bd/)
				literal = 1
			if (line ~ /^\.Ed/)
				literal = 0
			if (literal)
				continue
			if (line ~ /^\.(Pp|Sh|Ss|It|Bl|El|Dl|Nd)/)
				end_unit()
			gsub(/^\.[A-Z][a-z]/, "", line)
			gsub(/ (Ns|No|Pq|Ql|Ar|Fl|Pa|Cm|Xr|Ic|Ev|Op|Oo|Oc|Po|Pc|Dq) /, " ", line)
			gsub(/\\&/, "", line)
		}
		if (line !~ /[^ \t#.]/ || (markdown && line ~ /^(#|\|)/))
			end_unit()
		gsub(/`/, " ", line)
		add(line, number)
		if (markdown && line ~ /^(#|\|)/)
			end_unit()
	}
	end_unit()
}

BEGIN {
	FS = "\t"
	read_words()
	unit = ""
	count = 0
}

{
	kind = $1
	path = $2
	number = 0
	if (kind == "c")
		read_c()
	else if (kind == "shell")
		read_shell()
	else
		read_text(kind == "md", kind == "man")
	close(path)
}
