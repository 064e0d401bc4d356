-- Apart, since a database with a subscription cannot be dropped.
create subscription pghaul_sub connection 'host=nowhere.example.org password=hunter3''' publication p, "Q" with (connect = false, slot_name = none);
comment on subscription pghaul_sub is 'a subscription';
