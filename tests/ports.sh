# shellcheck shell=bash
# Sourced by bash scripts. A free loopback port, below the range from which the kernel takes ports for outgoing connections.
# Another process may still take it before its user binds it: whoever starts a server tries again on another one.

free_port() {
	local port try
	for try in {1..200}; do
		port=$((20000 + (RANDOM * 32768 + RANDOM + try) % 12000))
		if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return 0
		fi
	done
	echo "no free port on 127.0.0.1 between 20000 and 31999 in 200 tries" >&2
	return 1
}
