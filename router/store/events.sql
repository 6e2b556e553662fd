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

-- name: keep_arrival
INSERT OR IGNORE INTO arrivals (sequence, received, fingerprint, routes) VALUES (?, ?, ?, ?)

-- name: keep_record
INSERT OR IGNORE INTO records (sequence, record) VALUES (?, ?)

-- name: keep_original
INSERT OR IGNORE INTO originals (sequence, body, content_type) VALUES (?, ?, ?)

-- name: drop_arrival
DELETE FROM arrivals WHERE sequence = ?

-- name: drop_record
DELETE FROM records WHERE sequence = ?

-- name: drop_originals
-- Each belongs to the records from its sequence on to that of the next one.
DELETE FROM originals WHERE NOT EXISTS (
    SELECT 1 FROM arrivals WHERE arrivals.sequence >= originals.sequence AND arrivals.sequence < ifnull(
        (SELECT min(later.sequence) FROM originals AS later WHERE later.sequence > originals.sequence),
        9223372036854775807
    )
)

-- name: newest
SELECT max(received) FROM arrivals

-- name: head
SELECT max(sequence) FROM arrivals

-- name: began
SELECT (SELECT received FROM arrivals ORDER BY sequence LIMIT 1)

-- name: first_at
SELECT min(sequence) FROM arrivals WHERE received >= ?

-- name: arrivals
SELECT sequence, received, fingerprint, routes FROM arrivals WHERE sequence BETWEEN ? AND ? ORDER BY sequence
LIMIT ?

-- name: fingerprints
SELECT sequence, received, fingerprint FROM arrivals
WHERE received >= ? AND fingerprint <> x'' ORDER BY sequence DESC LIMIT ?

-- name: arrival
SELECT sequence, received, fingerprint, routes FROM arrivals WHERE sequence = ?

-- name: record
SELECT record FROM records WHERE sequence = ?

-- name: original
SELECT body, content_type FROM originals WHERE sequence = ?
