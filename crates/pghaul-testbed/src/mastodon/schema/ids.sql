-- Snowflake ids: the function and its sequences.
--
-- A database that was born before the switch still has the old serials' sequences, owned by their
-- columns (statuses, accounts); the others stand free. Ownership is given in sequences.sql.

create sequence accounts_id_seq;
create sequence statuses_id_seq;
create sequence media_attachments_id_seq;
create sequence encrypted_messages_id_seq;

-- The salt is a literal in the body, drawn when the function is made: no two databases have the
-- same body. Here it comes from the seed.
do $do$
begin
    execute format($create$
        create function timestamp_id(table_name text) returns bigint
            language plpgsql volatile
        as $body$
        declare
            milliseconds bigint := (extract(epoch from now()) * 1000)::bigint << 16;
            base bigint;
        begin
            base := ('x' || substr(md5(table_name || %L || milliseconds::text), 1, 4))::bit(16)::bigint;
            return milliseconds | ((base + nextval(table_name || '_id_seq')) & 65535);
        end
        $body$
    $create$, md5('salt ' || current_setting('mastodon.seed')));
end
$do$;
