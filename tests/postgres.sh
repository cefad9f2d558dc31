#!/usr/bin/env bash
# A throwaway PostgreSQL for tests and proofs. To be sourced by bash:
#
#   postgres_install   makes sure that the server's programs are here, with apt-get if that is possible
#   postgres_start     starts a server in a new temporary directory and exports REGULARS_TEST_POSTGRES,
#                      the URL of the server without a database
#   postgres_stop      stops it and removes the directory; call it from a trap on EXIT
#   postgres_database  makes an empty database and prints its URL
#
# The server listens on 127.0.0.1 only, keeps fsync on, and ends with the shell that started it even if that is killed.

postgres_directory=
postgres_process=
postgres_port=
postgres_user=
# Where its directory is made; a temporary directory of the system, if empty.
postgres_base=
# More options of the server, to be set before it starts.
postgres_options=()

postgres_say() { printf 'postgres: %s\n' "$*" >&2; }

# The directory of the server's programs: Debian keeps them out of PATH.
postgres_programs() {
    local directory
    for directory in "$(pg_config --bindir 2>/dev/null)" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr) \
        "$(dirname "$(command -v initdb 2>/dev/null)" 2>/dev/null)"; do
        if [ -n "$directory" ] && [ -x "$directory/initdb" ] && [ -x "$directory/postgres" ]; then
            printf '%s\n' "$directory"
            return 0
        fi
    done
    return 1
}

# Installs Debian packages as root or through sudo without a password; says so and fails if neither is possible.
debian_install() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            postgres_say "cannot install $*: this needs root or sudo without a password"
            return 1
        fi
        as_root=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null; then
        postgres_say "cannot install $*: there is no apt-get here"
        return 1
    fi
    postgres_say "installing $*"
    if ! { "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >&2; then
        postgres_say "apt-get could not install $*"
        return 1
    fi
}

postgres_install() {
    postgres_programs >/dev/null && return 0
    debian_install postgresql || return 1
    postgres_programs >/dev/null && return 0
    postgres_say "apt-get installed postgresql, but initdb and postgres are nowhere to be found"
    return 1
}

# Becomes a command that runs as the server's user, because PostgreSQL refuses root, and that is interrupted when its
# parent ends. To be called in a subshell.
postgres_become() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid "$postgres_user" --regid "$(id -g "$postgres_user")" --clear-groups \
            --pdeathsig INT env HOME="$postgres_directory" LC_ALL=C.UTF-8 "$@"
    else
        exec setpriv --pdeathsig INT env LC_ALL=C.UTF-8 "$@"
    fi
}

postgres_start() {
    local programs base=${postgres_base:-/tmp}
    programs=$(postgres_programs) || { postgres_say "there is no PostgreSQL server here"; return 1; }
    if [ "$(id -u)" = 0 ]; then
        postgres_user=nobody
        id postgres >/dev/null 2>&1 && postgres_user=postgres
    else
        # Root's own temporary directory may be closed to the server's user; everybody else's is open to themselves.
        base=${postgres_base:-${TMPDIR:-/tmp}}
    fi
    postgres_directory=$(mktemp -d "$base/regulars-postgres.XXXXXX") || return 1
    [ -z "$postgres_user" ] || chown "$postgres_user" "$postgres_directory"
    chmod 700 "$postgres_directory"
    # From a directory that the server's user may enter: the caller's may be closed to it.
    if ! (cd "$postgres_directory" && postgres_become "$programs/initdb" -D "$postgres_directory/data" \
        -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$postgres_directory/initdb.log" 2>&1); then
        cat "$postgres_directory/initdb.log" >&2
        postgres_stop
        return 1
    fi
    for _ in 1 2 3 4 5 6 7 8; do
        # Below the ports that the system hands out to clients.
        postgres_port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$postgres_port") 2>/dev/null && continue
        postgres_launch "$programs" && break
        postgres_process=
    done
    if [ -z "$postgres_process" ]; then
        cat "$postgres_directory/server.log" >&2
        postgres_say "the server did not start"
        postgres_stop
        return 1
    fi
    export REGULARS_TEST_POSTGRES="postgres://postgres@127.0.0.1:$postgres_port"
}

postgres_launch() {
    local programs=$1 waited
    (
        cd "$postgres_directory" || exit 1
        postgres_become "$programs/postgres" -D "$postgres_directory/data" -p "$postgres_port" \
            -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$postgres_directory" \
            -c max_connections=300 -c shared_buffers=128MB -c fsync=on -c synchronous_commit=on \
            -c log_min_messages=fatal "${postgres_options[@]}" </dev/null >>"$postgres_directory/server.log" 2>&1
    ) &
    postgres_process=$!
    for ((waited = 0; waited < 300; waited++)); do
        "$programs/pg_isready" -q -h 127.0.0.1 -p "$postgres_port" && kill -0 "$postgres_process" 2>/dev/null && return 0
        kill -0 "$postgres_process" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

postgres_stop() {
    local waited
    if [ -n "$postgres_process" ] && kill -0 "$postgres_process" 2>/dev/null; then
        # Fast, and after ten seconds at once.
        # It may end between two of these: that is no failure, also not to a shell that stops at failures.
        kill -INT "$postgres_process" 2>/dev/null || true
        for ((waited = 0; waited < 100; waited++)); do
            kill -0 "$postgres_process" 2>/dev/null || break
            sleep 0.1
        done
        kill -QUIT "$postgres_process" 2>/dev/null || true
        wait "$postgres_process" 2>/dev/null || true
    fi
    postgres_process=
    [ -z "$postgres_directory" ] || rm -rf "$postgres_directory"
    postgres_directory=
    return 0
}

postgres_database() {
    local name=$1 programs
    programs=$(postgres_programs) || return 1
    "$programs/psql" -X -q -h 127.0.0.1 -p "$postgres_port" -U postgres -d postgres \
        -c "DROP DATABASE IF EXISTS \"$name\" WITH (FORCE)" -c "CREATE DATABASE \"$name\"" >&2 || return 1
    printf '%s/%s\n' "$REGULARS_TEST_POSTGRES" "$name"
}
