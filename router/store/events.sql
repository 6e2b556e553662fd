-- One segment of the store: accepted events in the order of their sequence, never changed.

-- name: schema
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY,
    routes   BLOB NOT NULL, -- msgpack; apart from the record, so that a start reads routes alone
    record   BLOB NOT NULL  -- msgpack
) STRICT;
CREATE TABLE IF NOT EXISTS originals (
    sequence     INTEGER PRIMARY KEY, -- of the request's first event
    body         BLOB NOT NULL,
    content_type TEXT
) STRICT;

-- name: insert_event
INSERT INTO events (sequence, routes, record) VALUES (?, ?, ?)

-- name: insert_original
INSERT INTO originals (sequence, body, content_type) VALUES (?, ?, ?)

-- name: head
SELECT max(sequence) FROM events

-- name: routes_after
SELECT sequence, routes FROM events WHERE sequence > ? ORDER BY sequence

-- name: range
SELECT sequence, routes, record FROM events WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?

-- name: one
SELECT routes, record FROM events WHERE sequence = ?

-- name: original
SELECT body, content_type FROM originals WHERE sequence = ?
