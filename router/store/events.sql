-- One segment of the store: accepted events in the order of their sequence, never changed.

-- name: schema
CREATE TABLE IF NOT EXISTS arrivals ( -- apart from the records: what a start reads, or a search, is small
    sequence    INTEGER PRIMARY KEY,
    received    REAL NOT NULL,        -- seconds since the epoch
    fingerprint BLOB NOT NULL,
    routes      BLOB NOT NULL         -- msgpack
) STRICT;
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY,
    record   BLOB NOT NULL            -- msgpack
) STRICT;
CREATE TABLE IF NOT EXISTS originals (
    sequence     INTEGER PRIMARY KEY, -- of the request's first event
    body         BLOB NOT NULL,
    content_type TEXT
) STRICT;

-- name: insert_arrival
INSERT INTO arrivals (sequence, received, fingerprint, routes) VALUES (?, ?, ?, ?)

-- name: insert_record
INSERT INTO records (sequence, record) VALUES (?, ?)

-- name: insert_original
INSERT INTO originals (sequence, body, content_type) VALUES (?, ?, ?)

-- name: first
SELECT sequence, received FROM arrivals ORDER BY sequence LIMIT 1

-- name: head
SELECT max(sequence) FROM arrivals

-- name: first_at
SELECT min(sequence) FROM arrivals WHERE received >= ?

-- name: arrivals
SELECT sequence, received, fingerprint, routes FROM arrivals WHERE sequence BETWEEN ? AND ? ORDER BY sequence

-- name: fingerprints
SELECT sequence, received, fingerprint FROM arrivals
WHERE received >= ? AND fingerprint <> x'' ORDER BY sequence DESC LIMIT ?

-- name: arrival
SELECT sequence, received, fingerprint, routes FROM arrivals WHERE sequence = ?

-- name: record
SELECT record FROM records WHERE sequence = ?

-- name: original
SELECT body, content_type FROM originals WHERE sequence = ?
