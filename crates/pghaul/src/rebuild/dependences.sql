-- Which collation each index depends on, and by what: its keys' order, what its expressions and
-- its predicate compute, or only which texts are equal. One row an index, collation and way.
-- Columns: index, collation, way, what (a function's name).
with recursive
     mine (indexrelid, indrelid, method, collations, classes, attributes, trees) as (
       select i.indexrelid, i.indrelid, am.amname
            , i.indcollation::oid[], i.indclass::oid[], i.indkey::int2[]
            , coalesce(i.indexprs::text, '') || ' ' || coalesce(i.indpred::text, '')
         from pg_catalog.pg_index i
         join pg_catalog.pg_class x on x.oid = i.indexrelid
         join pg_catalog.pg_am am on am.oid = x.relam
         join pg_catalog.pg_class t on t.oid = i.indrelid
         join pg_catalog.pg_namespace n on n.oid = t.relnamespace
        where n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
          and n.nspname !~ '^pg_(toast|temp)'
          and t.relpersistence <> 't'
     ),
     key (indexrelid, method, coll, class, in_class, typ) as (
       select m.indexrelid, m.method, u.coll, c.opcname::text, c.opcintype
            , case when c.opckeytype <> 0 and m.attributes[u.place - 1] <> 0
                   then (select a.atttypid from pg_catalog.pg_attribute a
                          where a.attrelid = m.indrelid and a.attnum = m.attributes[u.place - 1])
                   else (select a.atttypid from pg_catalog.pg_attribute a
                          where a.attrelid = m.indexrelid and a.attnum = u.place)
              end
         from mine m
        cross join lateral rows from (pg_catalog.unnest(m.collations), pg_catalog.unnest(m.classes))
              with ordinality u (coll, class, place)
         join pg_catalog.pg_opclass c on c.oid = u.class
     ),
     -- Ranges and composites have no collation of their own but are compared by those inside.
     inside (indexrelid, method, typ, coll) as (
       select k.indexrelid, k.method, k.typ, 0::oid from key k where k.coll = 0
       union
       select s.indexrelid, s.method, below.typ, below.coll
         from inside s
         join pg_catalog.pg_type t on t.oid = s.typ
         left join pg_catalog.pg_range r on r.rngtypid = t.oid
        cross join lateral (
              select t.typelem as typ, 0::oid as coll where t.typelem <> 0 and t.typlen = -1
              union all select t.typbasetype, 0 where t.typbasetype <> 0
              union all select r.rngsubtype, r.rngcollation where r.rngsubtype is not null
              union all select a.atttypid, a.attcollation from pg_catalog.pg_attribute a
                         where a.attrelid = t.typrelid and t.typrelid <> 0
                           and a.attnum > 0 and not a.attisdropped
              union all select g.rngtypid, 0 from pg_catalog.pg_range g
                         where t.typtype = 'm'
                           and (pg_catalog.to_jsonb(g) ->> 'rngmultitypid')::oid = t.oid
              ) below
     ),
     -- Functions that the expressions call, with the collation that they are called under.
     called (indexrelid, function, coll) as (
       select m.indexrelid, f.part[1]::oid, f.part[2]::oid
         from mine m
        cross join lateral pg_catalog.regexp_matches(
              m.trees, ':(?:funcid|opfuncid) (\d+)[^{}()]*:inputcollid (\d+)', 'g') f (part)
     )
select k.indexrelid::int8
     , k.coll::int8
     , case when k.class ~ '^citext_' or k.class ~ '_trgm_ops$' then 'any'
            when k.method = 'hash' or k.class ~ 'bloom_ops$' then 'equality'
            when k.class ~ 'pattern(_minmax|_minmax_multi)?_ops$' then 'equality'
            else 'order'
       end as way
     , ''::text as what
  from key k
 where k.coll <> 0
 union
-- citext folds by the database's own collation, whatever the column's is.
select k.indexrelid::int8, 100::int8, 'any', ''
  from key k
 where k.class ~ '^citext_'
 union
select s.indexrelid::int8, s.coll::int8
     , case when s.method = 'hash' then 'equality' else 'order' end, ''
  from inside s
 where s.coll <> 0
 union
select d.indexrelid::int8
     , case when p.proname ~ '^(json_|jsonb_)?to_ts(vector|query)$' then 100 else d.coll end::int8
     , case when p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace then 'any'
            when p.proname ~ '^(text|bpchar|name|varchar)_?(lt|le|gt|ge|larger|smaller|cmp)(name|text)?$'
              or p.proname ~ '^bttext|^btbpchar' then 'order'
            when p.prosrc in ('textregexsubstr') then 'ctype'
            when p.proname in (
                 'texteq', 'textne', 'bpchareq', 'bpcharne', 'nameeq', 'namene', 'texteqname',
                 'textnename', 'nameeqtext', 'namenetext', 'textlike', 'textnlike', 'bpcharlike',
                 'bpcharnlike', 'namelike', 'namenlike', 'starts_with', 'strpos', 'position',
                 'replace', 'split_part', 'string_to_array', 'array_eq', 'array_ne',
                 'arraycontains', 'arraycontained', 'arrayoverlap', 'array_position',
                 'array_remove', 'array_replace', 'hashtext', 'hashtextextended', 'hashbpchar',
                 'textcat', 'textanycat', 'anytextcat', 'md5', 'substr', 'substring', 'left',
                 'right', 'btrim', 'ltrim', 'rtrim', 'lpad', 'rpad', 'length', 'char_length',
                 'character_length', 'octet_length', 'bit_length', 'textlen', 'bpcharlen',
                 'reverse', 'repeat', 'ascii', 'chr', 'text', 'varchar', 'bpchar', 'name', 'char',
                 'convert_to', 'encode', 'decode', 'overlay', 'translate', 'to_hex',
                 'array_to_string', 'array_length', 'array_upper', 'array_lower', 'cardinality',
                 'array_append', 'array_prepend', 'array_cat', 'array_ndims',
                 'date_trunc', 'date_part', 'extract', 'timezone', 'format_type',
                 'json_object_field', 'json_object_field_text', 'json_array_element',
                 'json_array_element_text', 'json_extract_path', 'json_extract_path_text',
                 'jsonb_object_field', 'jsonb_object_field_text', 'jsonb_array_element',
                 'jsonb_array_element_text', 'jsonb_extract_path', 'jsonb_extract_path_text',
                 'jsonb_exists', 'jsonb_exists_any', 'jsonb_exists_all', 'jsonb_contains',
                 'jsonb_delete', 'jsonb_delete_path', 'jsonb_eq', 'jsonb_ne')
              or p.proname ~ '_pattern_(lt|le|gt|ge)$' or p.proname ~ '^sha[0-9]+$' then 'equality'
            when p.proname in ('lower', 'upper', 'initcap', 'casefold')
              or p.proname ~ 'regex|iclike|icnlike|to_ts(vector|query)$' then 'ctype'
            else 'any'
       end
     , p.proname::text
  from called d
  join pg_catalog.pg_proc p on p.oid = d.function
 where d.coll <> 0
    or p.proname ~ '^(json_|jsonb_)?to_ts(vector|query)$'
 union
select m.indexrelid::int8, f.part[1]::int8, 'order', 'greatest or least'
  from mine m
 cross join lateral pg_catalog.regexp_matches(
       m.trees, 'MINMAX[^{}()]*:inputcollid ([1-9]\d*)', 'g') f (part)
 union
select m.indexrelid::int8, 100::int8, 'order', 'a comparison of rows'
  from mine m
 where m.trees ~ 'ROWCOMPARE'
