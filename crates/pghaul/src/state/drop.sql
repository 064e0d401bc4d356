-- The state of a run, and the schema if nothing else is in it.
drop table pghaul.duplicate_row, pghaul.finding, pghaul.step, pghaul.receipt, pghaul.part, pghaul.relation, pghaul.run;
drop schema pghaul;
