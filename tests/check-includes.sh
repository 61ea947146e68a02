#!/bin/sh
# The arrows of the design: which folder may include which. A module's private headers stay inside it.
set -eu
cd "${top_srcdir:-.}"

allowed() {
	case $1 in
	base) echo "base" ;;
	proto) echo "proto" ;;
	model) echo "model base" ;;
	store) echo "store base proto" ;;
	stream) echo "stream base proto" ;;
	serve) echo "serve base proto model" ;;
	daemon) echo "daemon base proto model store stream serve" ;;
	esac
}

bad=0
for module in base proto model store stream serve daemon; do
	ok=" $(allowed $module) "
	for file in "$module"/*.[ch] "$module"/*.cc; do
		[ -e "$file" ] || continue
		for target in $(sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' "$file"); do
			folder=${target%%/*}
			case $ok in
			*" $folder "*) ;;
			*) echo "$file includes $target: $module may include only:$ok" >&2; bad=1 ;;
			esac
			case $target in
			*/priv.h) [ "$folder" = "$module" ] || { echo "$file includes $target, private to $folder" >&2; bad=1; } ;;
			esac
		done
	done
done
exit $bad
