-- Where the sequences stand after the fill.
--
-- Serials stand at the highest id. The four snowflake sequences have nothing to do with max(id):
-- two still belong to their columns, one stands free, one was never used.

do $$
declare
    sequence record;
begin
    for sequence in
        select s.oid::regclass as name, t.oid::regclass as relation, a.attname as attribute
        from pg_class s
        join pg_depend d
            on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.deptype = 'a'
        join pg_class t on d.refclassid = 'pg_class'::regclass and t.oid = d.refobjid
        join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
        where s.relkind = 'S' and s.relnamespace = 'public'::regnamespace
    loop
        execute format(
            'select setval(%L, coalesce(max(%I), 1), max(%I) is not null) from %s',
            sequence.name, sequence.attribute, sequence.attribute, sequence.relation
        );
    end loop;
end
$$;

alter sequence accounts_id_seq owned by accounts.id;
alter sequence statuses_id_seq owned by statuses.id;
select setval('accounts_id_seq', (select count(*) + 4711 from accounts));
select setval('statuses_id_seq', (select 3 * count(*) + 1 from statuses));
select setval('media_attachments_id_seq', (select count(*) + 1 from media_attachments));
