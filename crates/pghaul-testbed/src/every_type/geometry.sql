-- Geometric types: floats inside, so their text differs between servers before and after 12.

-- @object schema
-- The schema of this family.
create schema geometry;

-- @object shapes
-- All seven shapes, with tenths, huge and tiny values, infinities, NaN and negative zero.
create table geometry.shapes (
    id integer primary key, p point, l line, s lseg, b box, way path, area polygon, c circle
);
insert into geometry.shapes values
    (1, '(0,0)', '{1,-1,0}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),1>'),
    (2, '(0.1,-0.3)', '{0.1,0.2,0.3}', '[(0.1,0.2),(0.3,0.4)]', '(0.1,0.2),(0.3,-0.4)', '((0.1,0.2),(0.3,0.4))', '((0.1,0.2),(0.3,0.4),(5e-324,1e300))', '<(0.1,0.2),0.3>'),
    (3, '(Infinity,-Infinity)', '{1e300,1e-300,1e15}', '[(1e15,1e16),(1e-5,-0)]', '(Infinity,1),(-Infinity,0)', '[(Infinity,0)]', '((Infinity,0))', '<(1e15,1e-15),0>'),
    (4, '(NaN,-0)', '{1,NaN,1}', '[(NaN,0),(1,NaN)]', '(1,2),(3,4)', '((NaN,NaN))', '((NaN,0),(1,1))', '<(NaN,0),1>'),
    (5, null, null, null, null, null, null, null);

-- @object shape_arrays
-- Arrays of shapes; those of box are delimited by semicolons.
create table geometry.shape_arrays (id integer primary key, points point[], boxes box[], circles circle[]);
insert into geometry.shape_arrays values
    (1, '{"(0.1,0.2)","(NaN,1e15)",NULL}', '{(1,1),(0,0);(0.3,0.4),(0.1,0.2)}', '{"<(0.1,0.2),3>"}'),
    (2, '{}', '{}', null);
