-- What repairs of this database did, and the rows as they were. Every table has a primary key, since
-- a publication FOR ALL TABLES would otherwise forbid updates. Nobody but the owner may look.
create schema if not exists pghaul;

create table if not exists pghaul.repair (
    id                int4 primary key,
    format            int4 not null,
    tool              text not null,
    plan              text not null,
    rules             text not null,
    started           timestamptz not null default pg_catalog.clock_timestamp(),
    finished          timestamptz,
    undone            timestamptz
);

-- The tables that a repair touches, as they were.
create table if not exists pghaul.repair_table (
    repair            int4 not null,
    place             int4 not null,
    schema_name       text not null,
    table_name        text not null,
    columns           text not null,
    rebuild           text not null,
    digest            text not null,
    primary key (repair, place)
);

-- One row a committed batch, inserted in the batch's own transaction. Digests are sums: of the rows
-- as they were before the batch, and as it left them.
create table if not exists pghaul.repair_batch (
    id                bigserial primary key,
    repair            int4 not null,
    phase             text not null,
    place             int4 not null,
    line              int8 not null,
    rows              int8 not null,
    xid               text not null,
    before_rows       int8 not null,
    before_0          int8 not null,
    before_1          int8 not null,
    after_rows        int8 not null,
    after_0           int8 not null,
    after_1           int8 not null,
    undone            boolean not null default false,
    committed         timestamptz not null default pg_catalog.clock_timestamp()
);

-- One row a row that was changed or deleted: the values it had of the columns that are named, as
-- text, which version it was, and where it is now. `plan_ctid` names the row, however often it was
-- moved.
create table if not exists pghaul.undo_row (
    id                bigserial primary key,
    repair            int4 not null,
    batch             int8 not null,
    place             int4 not null,
    plan_ctid         tid not null,
    was_ctid          tid not null,
    was_xid           text not null,
    now_ctid          tid,
    now_xid           text,
    columns           text[] not null,
    tuple             text[] not null
);
create index if not exists undo_row_of_batch on pghaul.undo_row (batch);
create index if not exists undo_row_of_row on pghaul.undo_row (repair, place, plan_ctid);

-- Groups that were left alone, and why.
create table if not exists pghaul.repair_skip (
    repair            int4 not null,
    number            int8 not null,
    table_name        text not null,
    why               text not null,
    primary key (repair, number)
);

-- What was dropped, and brings it back.
create table if not exists pghaul.undo_statement (
    id                bigserial primary key,
    repair            int4 not null,
    statement         text not null
);
