/* The official JavaScript client, unmodified: node replicate_client.cjs MODULE BASE_URL KEY STEPS, which are
 * [[scenario, what it is given], …], done one after the other. Prints what came of each as a list. */
const Replicate = require(process.argv[2]);
const [, , , baseUrl, auth, steps] = process.argv;
const replicate = new Replicate({ baseUrl, auth, useFileOutput: false });

const scenarios = {
  run: (given) => replicate.run(given.ref, { input: given.input, ...given.options }),

  async file(given) {
    const image = new Blob([Buffer.from(given.png, "base64")], { type: "image/png" });
    return replicate.run(given.ref, { input: { image, scale: 2 } });
  },

  async life(given) {
    const made = await replicate.predictions.create({ version: given.version, input: given.input });
    const done = await replicate.wait(made, { interval: 20 });
    const again = await replicate.predictions.get(made.id);
    const listed = await replicate.predictions.list();
    return { made, done, again, listed: listed.results.map((p) => p.id) };
  },

  async cancel(given) {
    const made = await replicate.predictions.create({ version: given.version, input: given.input });
    const canceled = await replicate.predictions.cancel(made.id);
    return { made, canceled, again: await replicate.predictions.get(made.id) };
  },

  async stream(given) {
    const events = [];
    for await (const event of replicate.stream(given.ref, { input: given.input }))
      events.push([event.event, event.data]);
    return events;
  },

  async models(given) {
    const model = await replicate.models.get(...given.name.split("/"));
    const versions = await replicate.models.versions.list(...given.name.split("/"));
    const version = await replicate.models.versions.get(...given.name.split("/"), model.latest_version.id);
    return { model: model.name, versions: versions.results.map((v) => v.id), version: version.id };
  },

  async pages(given) {
    const ids = [];
    for await (const page of replicate.paginate(replicate.predictions.list)) ids.push(...page.map((p) => p.id));
    return ids;
  },

  async files(given) {
    const made = await replicate.files.create(Buffer.from("some text"), { kind: "test" });
    const got = await replicate.files.get(made.id);
    const gone = await replicate.files.delete(made.id);
    return { made, got, gone };
  },

  async deployment(given) {
    const [owner, name] = given.name.split("/");
    const made = await replicate.deployments.predictions.create(owner, name, { input: given.input });
    return replicate.wait(made, { interval: 20 });
  },
};

const told = (e) => ({ error: e.message, status: e.response?.status ?? null });
(async () => {
  const results = [];
  for (const [name, given] of JSON.parse(steps)) results.push(await scenarios[name](given).catch(told));
  console.log(JSON.stringify(results));
})();
