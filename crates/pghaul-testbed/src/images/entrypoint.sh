#!/bin/sh
# Makes the data directory if there is none, then becomes the server: as Postgres' official image
# does, as far as tests need it. PGDATA, POSTGRES_PASSWORD, POSTGRES_INITDB_WALDIR; arguments are the server's.
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    echo "${POSTGRES_PASSWORD:?}" > /tmp/password
    /pg/bin/initdb -D "$PGDATA" -U postgres -E UTF8 --locale=C -N \
        -A "$PGHAUL_AUTH" --pwfile=/tmp/password ${POSTGRES_INITDB_WALDIR:+-X "$POSTGRES_INITDB_WALDIR"}
    echo "host all all all $PGHAUL_AUTH" >> "$PGDATA/pg_hba.conf"
fi
[ "$1" != postgres ] || shift
exec /pg/bin/postgres -D "$PGDATA" -c listen_addresses='*' "$@"
