-- What 16 added.
create table app.stored (a text storage external);
