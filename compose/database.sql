-- What MirrorManager2 has in its database, as far as a cache is made from it, with an invented distribution: eight mirrors on
-- networks that are set aside for documentation. PostgreSQL's image runs this once, when its volume is new.

CREATE TABLE site (
    id integer PRIMARY KEY, name text NOT NULL, private boolean NOT NULL DEFAULT false,
    admin_active boolean NOT NULL DEFAULT true, user_active boolean NOT NULL DEFAULT true
);
CREATE TABLE host (
    id integer PRIMARY KEY, name text NOT NULL, site_id integer REFERENCES site, country text NOT NULL, bandwidth_int integer,
    private boolean NOT NULL DEFAULT false, admin_active boolean NOT NULL DEFAULT true, user_active boolean NOT NULL DEFAULT true,
    internet2 boolean NOT NULL DEFAULT false, internet2_clients boolean NOT NULL DEFAULT false,
    asn integer, asn_clients boolean NOT NULL DEFAULT false, max_connections integer NOT NULL DEFAULT 1,
    latitude double precision, longitude double precision
);
CREATE TABLE product (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE version (
    id integer PRIMARY KEY, name text, product_id integer REFERENCES product, ordered_mirrorlist boolean NOT NULL DEFAULT true
);
CREATE TABLE arch (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE directory (id integer PRIMARY KEY, name text NOT NULL UNIQUE, readable boolean NOT NULL DEFAULT true, ctime bigint);
CREATE TABLE category (
    id integer PRIMARY KEY, name text NOT NULL, product_id integer REFERENCES product, topdir_id integer REFERENCES directory
);
CREATE TABLE category_directory (
    category_id integer NOT NULL REFERENCES category, directory_id integer NOT NULL REFERENCES directory,
    PRIMARY KEY (category_id, directory_id)
);
CREATE TABLE repository (
    id integer PRIMARY KEY, name text NOT NULL, prefix text, category_id integer REFERENCES category,
    version_id integer REFERENCES version, arch_id integer REFERENCES arch, directory_id integer REFERENCES directory,
    disabled boolean NOT NULL DEFAULT false
);
CREATE TABLE host_category (
    id integer PRIMARY KEY, host_id integer REFERENCES host, category_id integer REFERENCES category,
    always_up2date boolean NOT NULL DEFAULT false
);
CREATE TABLE host_category_dir (
    id serial PRIMARY KEY, host_category_id integer NOT NULL REFERENCES host_category, path text,
    up2date boolean NOT NULL DEFAULT true, directory_id integer REFERENCES directory
);
CREATE TABLE host_category_url (
    id serial PRIMARY KEY, host_category_id integer NOT NULL REFERENCES host_category, url text NOT NULL,
    private boolean NOT NULL DEFAULT false
);
CREATE TABLE host_netblock (id serial PRIMARY KEY, host_id integer REFERENCES host, netblock text, name text);
CREATE TABLE host_peer_asn (id serial PRIMARY KEY, host_id integer REFERENCES host, asn integer NOT NULL, name text);
CREATE TABLE host_country_allowed (id serial PRIMARY KEY, host_id integer REFERENCES host, country text NOT NULL);
CREATE TABLE directory_exclusive_host (
    id serial PRIMARY KEY, directory_id integer NOT NULL REFERENCES directory, host_id integer NOT NULL REFERENCES host
);
CREATE TABLE netblock_country (id serial PRIMARY KEY, netblock text NOT NULL, country text NOT NULL);
CREATE TABLE country_continent_redirect (id serial PRIMARY KEY, country text NOT NULL, continent text NOT NULL);
CREATE TABLE repository_redirect (id serial PRIMARY KEY, from_repo text NOT NULL, to_repo text);
CREATE TABLE file_detail (
    id serial PRIMARY KEY, directory_id integer NOT NULL REFERENCES directory, filename text NOT NULL,
    "timestamp" bigint, size bigint, sha1 text, md5 text, sha256 text, sha512 text
);

INSERT INTO site (id, name, private) VALUES (1, 'Volunteers', false), (2, 'Campus', true);
INSERT INTO host (id, name, site_id, country, bandwidth_int, asn, asn_clients) VALUES
    (1, 'mirror.berlin.example', 1, 'DE', 10000, NULL, false),
    (2, 'ftp.munich.example', 1, 'DE', 1000, NULL, false),
    (3, 'mirror.paris.example', 1, 'FR', 10000, NULL, false),
    (4, 'mirror.brno.example', 1, 'CZ', 1000, 64500, true),
    (5, 'mirror.boston.example', 1, 'US', 10000, NULL, false),
    (6, 'mirror.tokyo.example', 1, 'JP', 1000, NULL, false),
    (7, 'mirror.brasilia.example', 1, 'BR', 100, NULL, false),
    (8, 'mirror.campus.example', 2, 'DE', 1000, NULL, false);
INSERT INTO host_netblock (host_id, netblock, name) VALUES (8, '192.0.2.128/25', 'the campus');

INSERT INTO product VALUES (1, 'Example Linux');
INSERT INTO version (id, name, product_id) VALUES (1, '1', 1), (2, '2', 1);
INSERT INTO arch VALUES (1, 'source'), (2, 'x86_64'), (3, 'aarch64');
INSERT INTO directory (id, name, ctime) VALUES
    (1, 'pub/example', 1767225600),
    (11, 'pub/example/1/x86_64/os', 1767225600), (12, 'pub/example/1/x86_64/os/repodata', 1767225600),
    (21, 'pub/example/2/x86_64/os', 1767225600), (22, 'pub/example/2/x86_64/os/repodata', 1767225600),
    (31, 'pub/example/2/aarch64/os', 1767225600), (32, 'pub/example/2/aarch64/os/repodata', 1767225600);
INSERT INTO category VALUES (1, 'Example Linux', 1, 1);
INSERT INTO category_directory SELECT 1, id FROM directory;
INSERT INTO repository (id, name, prefix, category_id, version_id, arch_id, directory_id) VALUES
    (1, 'pub/example/1/x86_64/os', 'example-1', 1, 1, 2, 11),
    (2, 'pub/example/2/x86_64/os', 'example-2', 1, 2, 2, 21),
    (3, 'pub/example/2/aarch64/os', 'example-2', 1, 2, 3, 31);
INSERT INTO repository_redirect (from_repo, to_repo) VALUES ('example-stable', 'example-2');
-- All repositories have the content that the sample mirrors give out, compose/mirrors/repomd.xml.
INSERT INTO file_detail (directory_id, filename, "timestamp", size, md5, sha1, sha256, sha512)
    SELECT id, 'repomd.xml', 1767225600, 375, '56f244615da5f43384061ebc776ef705', '6110b66aa8dde7126e34c4ee4a3c626b0b425996',
        '7a8ae54c03f2da655ce51e00b98784a9783b2a3c5211fbe1816787e3240225a8',
        'c17a2a64b943e106b9deed9b8b1f7f986a5cbc641454f5aeed06852ef06fd7d254aac18ad3e1db2d9bdc88c52286d910255264202f14e3317f1a403be97882d8'
    FROM directory WHERE name LIKE '%/repodata';

-- Each host carries everything, the last public one only the newest release.
INSERT INTO host_category (id, host_id, category_id) SELECT id, id, 1 FROM host;
INSERT INTO host_category_url (host_category_id, url)
    SELECT host.id, protocol || '://' || host.name || '/pub/example'
    FROM host CROSS JOIN unnest(ARRAY['https', 'http', 'rsync']) AS protocol;
INSERT INTO host_category_dir (host_category_id, path, directory_id)
    SELECT host.id, substr(directory.name, length('pub/example/') + 1), directory.id
    FROM host CROSS JOIN directory WHERE host.id <> 7 OR directory.name NOT LIKE 'pub/example/1/%';
