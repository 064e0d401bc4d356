-- The state of a run, and the schema if nothing else is in it.
drop table pghaul.finding, pghaul.step, pghaul.receipt, pghaul.part, pghaul.relation, pghaul.run;
drop schema pghaul;
