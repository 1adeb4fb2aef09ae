-- A state as that release left it; SERVER stands for the server's address.
PRAGMA application_id = 2003199088;
PRAGMA user_version = 6;
BEGIN TRANSACTION;
CREATE TABLE actors (
        id INTEGER PRIMARY KEY,
        value TEXT NOT NULL UNIQUE
    ) STRICT;
INSERT INTO "actors" VALUES(1,'{"host":"ci"}');
CREATE TABLE attempts (
            address TEXT PRIMARY KEY,
            delay_s INTEGER,
            delivery TEXT NOT NULL,
            ended_at_ms INTEGER,
            error TEXT,
            explicit_id INTEGER NOT NULL,
            fingerprint TEXT NOT NULL,
            generation INTEGER NOT NULL,
            inconclusive INTEGER NOT NULL,
            intent_at_ms INTEGER NOT NULL,
            not_before_s INTEGER,
            request TEXT NOT NULL,
            resend INTEGER NOT NULL,
            since_ms INTEGER,
            source TEXT NOT NULL,
            workflow_run_id TEXT NOT NULL,
            status TEXT NOT NULL,
            by_id INTEGER NOT NULL
        , tries INTEGER NOT NULL DEFAULT 0, dlq_id TEXT, triggered_id TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
CREATE TABLE burned (
        address TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        generation INTEGER NOT NULL,
        PRIMARY KEY (address, fingerprint)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE details (
            id INTEGER PRIMARY KEY,
            address TEXT NOT NULL,
            origin TEXT NOT NULL,
            created_at_ms INTEGER,
            recorded_at_ms INTEGER NOT NULL,
            by_id INTEGER NOT NULL,
            source TEXT NOT NULL,
            request TEXT NOT NULL,
            end_id INTEGER,
            tries INTEGER NOT NULL,
            triggered_id TEXT NOT NULL,
            run_state TEXT,
            observed_at_ms INTEGER,
            completed_at_ms INTEGER,
            dlq_id TEXT,
            handled INTEGER NOT NULL DEFAULT 0
        ) STRICT;
INSERT INTO "details" VALUES(1,'rows/r[1.0]','triggered',1796023667280,1796023667284,1,'data/rows.jsonl:1','{"body":{"value":1},"contentType":"application/json","destination":"http://127.0.0.1:9/wf"}',NULL,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(2,'rows/r[2]','triggered',1796023667280,1796023667284,1,'data/rows.jsonl:2','{"body":{"value":1}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(3,'rows/r[1000.0]','triggered',1796023667280,1796023667284,1,'data/rows.jsonl:3','{"body":{"value":"x"}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(4,'rows/r[-0.0]','triggered',1796023667280,1796023667284,1,'data/rows.jsonl:4','{"body":{"value":null}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(5,'rows/r[1e-05]','triggered',1796023667280,1796023667284,1,'data/rows.jsonl:5','{"body":{"value":[1]}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(6,'rows/r[2.5]','triggered',1796023667281,1796023667284,1,'data/rows.jsonl:6','{"body":{"value":9007199254740991},"contentType":"application/json","destination":"http://127.0.0.1:9/wf"}',NULL,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(7,'rows/r[9007199254740993]','triggered',1796023667281,1796023667284,1,'data/rows.jsonl:7','{"body":{"value":1}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(8,'rows/r[9007199254740992]','triggered',1796023667281,1796023667284,1,'data/rows.jsonl:8','{"body":{"value":1}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(9,'rows/r[text]','triggered',1796023667281,1796023667284,1,'data/rows.jsonl:9','{"body":{"value":1}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(10,'texts/body','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:20','{"body":{"version":"v1.0"},"contentType":"application/json","destination":"http://127.0.0.1:9/wf/2.0"}',NULL,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(11,'texts/filters','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:21','{"body":"1.0-2.5 {\"n\":1e-07}"',2,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(12,'texts/header','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:22','{"destination":"http://127.0.0.1:9/wf/2.0","headers":{"x-version":"5.0"}}',NULL,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(13,'axes/a[1.0-1e+16]','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:31','{"body":{"order":"o-1e+16"},"contentType":"application/json","destination":"http://127.0.0.1:9/wf","labels":["x-1.0"]}',NULL,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(14,'axes/a[1.0-b]','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:31','{"body":{"order":"o-b"}',3,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(15,'axes/a[2.5-1e+16]','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:31','{"body":{"order":"o-1e+16"},"contentType":"application/json","destination":"http://127.0.0.1:9/wf","labels":["x-2.5"]}',NULL,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(16,'axes/a[2.5-b]','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:31','{"body":{"order":"o-b"}',1,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(17,'axes/hashed[a416ea84421fa7e1351582da48235bac88380a337ec5cb5a9239dc7d57908b4b]','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:37','{"destination":"http://127.0.0.1:9/wf"}',NULL,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(18,'axes/hashed[4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a]','triggered',1796023667281,1796023667284,1,'manifests/numbers.yaml:37','{"destination":"http://127.0.0.1:9/wf"}',NULL,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(19,'decimals/d[1.0000000]','triggered',1796023667281,1796023667284,1,'data/prices.parquet:1','{"body":{"price":"12.50"}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(20,'decimals/d[0E-7]','triggered',1796023667281,1796023667284,1,'data/prices.parquet:2','{"body":{"price":"0.00"}',4,0,'',NULL,NULL,NULL,NULL,0);
INSERT INTO "details" VALUES(21,'decimals/d[1.5000000]','triggered',1796023667281,1796023667284,1,'data/prices.parquet:3','{"body":{"price":null}',4,0,'',NULL,NULL,NULL,NULL,0);
CREATE TABLE flights (
    id INTEGER PRIMARY KEY,
    by_id INTEGER NOT NULL,
    attempts TEXT NOT NULL
) STRICT;
CREATE TABLE groups (
        name TEXT PRIMARY KEY,
        on_remove TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "groups" VALUES('axes','cancel');
INSERT INTO "groups" VALUES('decimals','keep');
INSERT INTO "groups" VALUES('rows','keep');
INSERT INTO "groups" VALUES('texts','keep');
CREATE TABLE head (
        key TEXT PRIMARY KEY,
        value ANY
    ) STRICT, WITHOUT ROWID;
INSERT INTO "head" VALUES('environment','default');
INSERT INTO "head" VALUES('lineage','82c547a1b0a9a3e8d9cc4cc2929fe3e7');
INSERT INTO "head" VALUES('project','bench');
INSERT INTO "head" VALUES('redaction_key',X'E67F8340AA12E9C5461E3A14E48865D0527A46329CADAC3309D445B2E294A0B8');
INSERT INTO "head" VALUES('serial',3);
INSERT INTO "head" VALUES('server','SERVER');
INSERT INTO "head" VALUES('shard','');
INSERT INTO "head" VALUES('watermark_ms',1796023666992);
CREATE TABLE history (
        id INTEGER PRIMARY KEY,
        address TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        generation INTEGER NOT NULL,
        ended TEXT NOT NULL,
        ended_at_ms INTEGER NOT NULL,
        value TEXT NOT NULL
    ) STRICT;
CREATE TABLE records (
            address TEXT PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            generation INTEGER NOT NULL,
            workflow_run_id TEXT NOT NULL,
            delivery TEXT NOT NULL,
            details_id INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO "records" VALUES('axes/a[1.0-1e+16]','1:yryj7b4rijgll4lr43q5wljdyv',1,'wfr_axes-a-1-0-1e-16-hcf5blqpksd3aoizlnuplf5flh-g1-f1yryj7b4rijgll4lr43q5wljdyv','4hghfbyqmolgq',13);
INSERT INTO "records" VALUES('axes/a[1.0-b]','1:3sbpbwi222blhwktd2a3xqupdx',1,'wfr_axes-a-1-0-b-i2bquxykvs3qnkuwcnqfnavcdz-g1-f13sbpbwi222blhwktd2a3xqupdx','4hghfbyqmolgq',14);
INSERT INTO "records" VALUES('axes/a[2.5-1e+16]','1:yryj7b4rijgll4lr43q5wljdyv',1,'wfr_axes-a-2-5-1e-16-5kwrkfxfekjgvvwb6gpqo66urt-g1-f1yryj7b4rijgll4lr43q5wljdyv','yjnrf73pqlsb7',15);
INSERT INTO "records" VALUES('axes/a[2.5-b]','1:3sbpbwi222blhwktd2a3xqupdx',1,'wfr_axes-a-2-5-b-wnc3auipjwpntmfdu57aobhj3z-g1-f13sbpbwi222blhwktd2a3xqupdx','yjnrf73pqlsb7',16);
INSERT INTO "records" VALUES('axes/hashed[4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a]','1:ldmixv6nf572yqkzi4uyutlrlh',1,'wfr_axes-hashed-4b227777d4dd1fc61c6f884f4864-hmws6e4tolfvldfoocysjfhtn4-g1-f1ldmixv6nf572yqkzi4uyutlrlh','iqjw7i2vwntyu',18);
INSERT INTO "records" VALUES('axes/hashed[a416ea84421fa7e1351582da48235bac88380a337ec5cb5a9239dc7d57908b4b]','1:ldmixv6nf572yqkzi4uyutlrlh',1,'wfr_axes-hashed-a416ea84421fa7e1351582da4823-ahfd7uswsoomoykcp72snfdhjh-g1-f1ldmixv6nf572yqkzi4uyutlrlh','iqjw7i2vwntyu',17);
INSERT INTO "records" VALUES('decimals/d[0E-7]','1:3uzn3ugmnfrcwlopmj35rwzkin',1,'wfr_decimals-d-0e-7-yblf7krruutvqrxxnnzav4unvr-g1-f13uzn3ugmnfrcwlopmj35rwzkin','iqjw7i2vwntyu',20);
INSERT INTO "records" VALUES('decimals/d[1.0000000]','1:zrqqa7dtbbrjl52ckfhqxl7hv3',1,'wfr_decimals-d-1-0000000-woias4zili4danlherojfu7lga-g1-f1zrqqa7dtbbrjl52ckfhqxl7hv3','iqjw7i2vwntyu',19);
INSERT INTO "records" VALUES('decimals/d[1.5000000]','1:z6ghel2p6mebqip5a3qujkzoop',1,'wfr_decimals-d-1-5000000-afr6ec37xnrzcbcpwlgvjtirpn-g1-f1z6ghel2p6mebqip5a3qujkzoop','iqjw7i2vwntyu',21);
INSERT INTO "records" VALUES('rows/r[-0.0]','1:4ulasmuimuoxj5mli44z76jnyj',1,'wfr_rows-r-0-0-5ej4kvtjqfu6qbf4czcnrgt5gm-g1-f14ulasmuimuoxj5mli44z76jnyj','iqjw7i2vwntyu',4);
INSERT INTO "records" VALUES('rows/r[1.0]','1:c64apwfleswabxki5ou4437yms',1,'wfr_rows-r-1-0-ukwhrm3e77iovi4oeytgyqvn26-g1-f1c64apwfleswabxki5ou4437yms','iqjw7i2vwntyu',1);
INSERT INTO "records" VALUES('rows/r[1000.0]','1:aprybwwu2kudstpcrrwmdczkkv',1,'wfr_rows-r-1000-0-psypd2k3mfi4jegwljikkokyua-g1-f1aprybwwu2kudstpcrrwmdczkkv','iqjw7i2vwntyu',3);
INSERT INTO "records" VALUES('rows/r[1e-05]','1:5hgob5h5rmetev2a776szznqgj',1,'wfr_rows-r-1e-05-rxnbxhqoqpxbdrq33huak4fksi-g1-f15hgob5h5rmetev2a776szznqgj','iqjw7i2vwntyu',5);
INSERT INTO "records" VALUES('rows/r[2.5]','1:sxu7zswhckqmz4brwee6fsrzvc',1,'wfr_rows-r-2-5-dnvcactvkhgzmcwwwxm4jufjba-g1-f1sxu7zswhckqmz4brwee6fsrzvc','iqjw7i2vwntyu',6);
INSERT INTO "records" VALUES('rows/r[2]','1:c64apwfleswabxki5ou4437yms',1,'wfr_rows-r-2-kfn4iz24esbce2dwbqnjp46xy6-g1-f1c64apwfleswabxki5ou4437yms','iqjw7i2vwntyu',2);
INSERT INTO "records" VALUES('rows/r[9007199254740992]','1:c64apwfleswabxki5ou4437yms',1,'wfr_rows-r-9007199254740992-xqxmunlplzhhnyodldgvlse42u-g1-f1c64apwfleswabxki5ou4437yms','iqjw7i2vwntyu',8);
INSERT INTO "records" VALUES('rows/r[9007199254740993]','1:c64apwfleswabxki5ou4437yms',1,'wfr_rows-r-9007199254740993-xuhtozucco5gfzle4pazzrfvwo-g1-f1c64apwfleswabxki5ou4437yms','iqjw7i2vwntyu',7);
INSERT INTO "records" VALUES('rows/r[text]','1:c64apwfleswabxki5ou4437yms',1,'wfr_rows-r-text-bjbuzkdthngbscjczy4hpliviv-g1-f1c64apwfleswabxki5ou4437yms','iqjw7i2vwntyu',9);
INSERT INTO "records" VALUES('texts/body','1:ukcs4nvbz5jyv3ejjg6bef2za7',1,'wfr_texts-body-op4gqhv67nxpz6w7psprlloe2g-g1-f1ukcs4nvbz5jyv3ejjg6bef2za7','iqjw7i2vwntyu',10);
INSERT INTO "records" VALUES('texts/filters','1:woeyhmc37mnqznr2h4wtxaspod',1,'wfr_texts-filters-ilm4tb7dtzg5bmfdpyljvojkz2-g1-f1woeyhmc37mnqznr2h4wtxaspod','iqjw7i2vwntyu',11);
INSERT INTO "records" VALUES('texts/header','1:o2oxp2zmna4m4434w2v44psova',1,'wfr_texts-header-wvbdxp47keqyegkymsjzl33diz-g1-f1o2oxp2zmna4m4434w2v44psova','iqjw7i2vwntyu',12);
CREATE TABLE request_ends (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO "request_ends" VALUES(1,',"contentType":"application/json","destination":"http://127.0.0.1:9/wf","labels":["x-2.5"]}');
INSERT INTO "request_ends" VALUES(2,',"contentType":"application/json","destination":"http://127.0.0.1:9/wf/2.0"}');
INSERT INTO "request_ends" VALUES(3,',"contentType":"application/json","destination":"http://127.0.0.1:9/wf","labels":["x-1.0"]}');
INSERT INTO "request_ends" VALUES(4,',"contentType":"application/json","destination":"http://127.0.0.1:9/wf"}');
CREATE TABLE rollout_members (
        name TEXT NOT NULL,
        address TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        PRIMARY KEY (name, address)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE rollouts (
        name TEXT PRIMARY KEY,
        step INTEGER NOT NULL,
        mode TEXT NOT NULL,
        approved INTEGER NOT NULL,
        open_since_ms INTEGER,
        started_at_ms INTEGER NOT NULL,
        tolerated INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE schedules (
        name TEXT PRIMARY KEY,
        decided_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE tallies (
            name TEXT PRIMARY KEY,
            count INTEGER NOT NULL,
            total BLOB NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO "tallies" VALUES('axes',6,X'A1A98B8A21D128FC3B625EC5C13C2E102D41AEC923E4DA8AC043C0E7F0819564');
INSERT INTO "tallies" VALUES('decimals',3,X'4CBCAD95A8BB89E8DC0E545EBD109CC6B08D0F63BA89EC8FCF030ADB54B92D2D');
INSERT INTO "tallies" VALUES('rows',9,X'FA1A784E784597FE976EFF1337CEAA9DF190295FB82D4C6BFF0402E4BD8F9151');
INSERT INTO "tallies" VALUES('texts',3,X'0905558079294CCABE6A210FDC95A2EFC09D771CB09D4AE18A666236B4461A4F');
CREATE TABLE unclaimed (
        workflow_run_id TEXT PRIMARY KEY,
        created_at_ms INTEGER NOT NULL,
        run_state TEXT NOT NULL
    , label TEXT) STRICT, WITHOUT ROWID;
CREATE INDEX history_by_address ON history (address, fingerprint, generation);
CREATE INDEX details_by_state ON details (run_state, address) WHERE run_state <> 'RUN_SUCCESS';
CREATE INDEX details_unobserved ON details (run_state) WHERE run_state IS NULL;
COMMIT;
