# Ends a server when the process that started it is gone, however that went: its standard input
# is a pipe whose other end only that process holds. $1 is the server's folder; in it, server.pid
# is there while a server runs.
trap '' HUP INT TERM
while read -r _; do :; done

running() { kill -0 "$pid" 2>/dev/null; }

if pid=$(cat "$1/server.pid" 2>/dev/null) && running; then
    kill -QUIT "$pid" 2>/dev/null
    tries=0
    while running && [ "$tries" -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    if running; then
        # Standing still, it starts no more processes; those that it has do not end with it.
        kill -STOP "$pid" 2>/dev/null
        for status in /proc/[0-9]*/status; do
            grep -q "^PPid:[[:space:]]*$pid\$" "$status" 2>/dev/null || continue
            status=${status%/status}
            kill -KILL "${status#/proc/}" 2>/dev/null
        done
        kill -KILL "$pid" 2>/dev/null
    fi
fi

# Processes that were in the middle of a write may still add files.
tries=0
while ! rm -rf "$1" 2>/dev/null && [ "$tries" -lt 20 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
