-- The state of one run. Every table has a primary key, since a publication FOR ALL TABLES would
-- otherwise forbid updates. Nobody but the owner may look: undo rows are user data.
-- It may be there, with what repairs keep for undo.
create schema if not exists pghaul;

create table pghaul.run (
    id                text primary key,
    format            int4 not null,
    tool              text not null,
    started           timestamptz not null default pg_catalog.now(),
    finished          timestamptz,
    phase             text not null,
    options           text not null,
    source            text not null,
    target            text not null,
    snapshot          text not null,
    moment            text not null,
    consistency       text not null,
    schema_digest     text not null,
    large_objects     text not null
);

create table pghaul.relation (
    id                int4 primary key,
    schema_name       text not null,
    table_name        text not null,
    source_oid        int8 not null,
    bytes             int8 not null,
    format            text not null,
    -- The table of the target that its rows go into, and that is read back.
    target_schema     text not null,
    target_table      text not null,
    -- How often rows were inserted, updated and deleted in it on the source, as the source counts,
    -- at the moment of the snapshot; null if that is not known.
    writes            int8
);

create table pghaul.part (
    id                int4 primary key,
    relation          int4 not null references pghaul.relation,
    from_block        int8,
    until_block       int8,
    bytes             int8 not null
);

-- One row a committed piece, inserted in the piece's own transaction. A piece owns the rows from
-- its own first ctid up to the next piece's; the last of a part has no next.
create table pghaul.receipt (
    part              int4 not null references pghaul.part,
    block             int8 not null,
    line              int4 not null,
    next_block        int8,
    next_line         int4,
    rows              int8 not null,
    bytes             int8 not null,
    lane_0            int8 not null,
    lane_1            int8 not null,
    image             text not null,
    worker            text not null,
    committed         timestamptz not null default pg_catalog.clock_timestamp(),
    primary key (part, block, line)
);

-- One row a step that is done: a schema entry, an index, a sequence, a read-back and the like.
create table pghaul.step (
    id                text primary key,
    kind              text not null,
    object            text not null,
    result            text not null,
    undo              text not null,
    place             bigserial,
    worker            text not null,
    committed         timestamptz not null default pg_catalog.clock_timestamp()
);

create table pghaul.finding (
    id                int8 primary key,
    code              text not null,
    severity          text not null,
    object            text,
    message           text not null,
    remedy            text not null,
    -- Found before the run began, by looking at what need not be there any more: kept as it is.
    known_before      boolean not null
);

-- Rows that share the key of a unique index which could therefore not be built: `object` is the
-- finding's, `number` that of the group, `place` the ctid, `primary_key` a JSON array of texts.
create table pghaul.duplicate_row (
    object            text not null,
    number            int8 not null,
    schema_name       text not null,
    table_name        text not null,
    place             text not null,
    primary_key       text not null,
    primary key (object, number, schema_name, table_name, place)
);

-- One row, as long as the server has not crashed: then it empties what is unlogged, this table too,
-- while the receipts of rows in unlogged tables stay.
create unlogged table pghaul.witness (
    stands            boolean primary key
);
insert into pghaul.witness values (true);
