#!/bin/sh
# Run a command with a PostgreSQL server of its own, whose URL is in CLEANMARK_POSTGRES.
# Needs Debian's package postgresql, and root: the server refuses to run as root itself.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
folder=$(mktemp -d)
port=${CLEANMARK_POSTGRES_PORT:-54329}
as_postgres() { runuser -u postgres -- "$@"; }
stop() {
    as_postgres "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
chown postgres "$folder"
cd "$folder"
as_postgres "$bin/initdb" -D "$folder/data" -A trust -U postgres >/dev/null
as_postgres "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
    -o "-h 127.0.0.1 -p $port -k $folder" start >/dev/null
cd "$OLDPWD"
CLEANMARK_POSTGRES="postgresql+psycopg://postgres@127.0.0.1:$port/postgres" "$@"
