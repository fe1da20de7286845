package io.mla4j.spark;

import io.mla4j.InvalidArgumentException;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.param.StringArrayParam;
import org.apache.spark.ml.param.shared.HasInputCol;
import org.apache.spark.ml.param.shared.HasOutputCol;
import org.apache.spark.ml.util.DefaultParamsReadable;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Continues the prompts of a column: a stage of Spark ML.
 *
 * <pre>{@code
 * MlaGenerator generator = new MlaGenerator().setModel("/models/tiny-mla")
 *     .setInputCol("prompt").setOutputCol("text").setMaxTokens(24);
 * Dataset<Row> texts = generator.transform(prompts);
 * }</pre>
 *
 * <p>The columns {@code outputCol} (text), {@code errorCol} (text) and {@code usageCol} (a struct
 * of the integers promptTokens, cachedTokens and generatedTokens) are added. A row that cannot be
 * continued has an error and no text; the others go on. A model that cannot be opened fails the
 * task.
 *
 * <p>Each executor opens the model once, whatever the number of its tasks; the rows of all its
 * tasks are decoded together, up to {@code parallel} at once, in the order of each partition. What
 * all prompts begin with ({@code promptPrefix}) is computed once an executor. A row's text does not
 * depend on where it is computed or what else is.
 */
public final class MlaGenerator extends Transformer
    implements HasInputCol, HasOutputCol, DefaultParamsWritable {
  private static final long serialVersionUID = 1L;
  private static final StructType USAGE =
      new StructType()
          .add("promptTokens", DataTypes.IntegerType, false)
          .add("cachedTokens", DataTypes.IntegerType, false)
          .add("generatedTokens", DataTypes.IntegerType, false);

  private final String uid;
  private final Param<String> model;
  private final Param<String> backend;
  private final IntParam threads;
  private final IntParam parallel;
  private final IntParam contextTokens;
  private final LongParam cacheMemory;
  private final Param<String> promptPrefix;
  private final IntParam maxTokens;
  private final DoubleParam temperature;
  private final IntParam topK;
  private final DoubleParam topP;
  private final LongParam seed;
  private final StringArrayParam stopTexts;
  private final Param<String> errorCol;
  private final Param<String> usageCol;
  private Param<String> inputCol;
  private Param<String> outputCol;

  /** A stage with a name of its own. */
  public MlaGenerator() {
    this(Identifiable$.MODULE$.randomUID("mlaGenerator"));
  }

  /** A stage of this name. */
  public MlaGenerator(String uid) {
    this.uid = uid;
    HasInputCol.$init$(this);
    HasOutputCol.$init$(this);
    model =
        new Param<>(this, "model", "path of the model on the executors, or its SparkFiles name");
    backend = new Param<>(this, "backend", "backend by name; empty for the fastest");
    threads = new IntParam(this, "threads", "threads of an executor; 0 for its physical cores");
    parallel = new IntParam(this, "parallel", "texts that an executor writes at once");
    contextTokens =
        new IntParam(
            this, "contextTokens", "most tokens of a prompt and its text; 0 for the model's");
    cacheMemory = new LongParam(this, "cacheMemory", "bytes of the cache; 0 for what fits");
    promptPrefix = new Param<>(this, "promptPrefix", "what comes before each prompt");
    maxTokens = new IntParam(this, "maxTokens", "most tokens of a text");
    temperature = new DoubleParam(this, "temperature", "0 for the likeliest token");
    topK = new IntParam(this, "topK", "how many tokens stay; 0 for all");
    topP = new DoubleParam(this, "topP", "probability of the tokens that stay");
    seed = new LongParam(this, "seed", "the same seed gives the same texts");
    stopTexts = new StringArrayParam(this, "stopTexts", "texts that end a text");
    errorCol = new Param<>(this, "errorCol", "column of what went wrong");
    usageCol = new Param<>(this, "usageCol", "column of the tokens");
    setDefault(backend, "");
    setDefault(threads, 0);
    setDefault(parallel, 16);
    setDefault(contextTokens, 0);
    setDefault(cacheMemory, 0L);
    setDefault(promptPrefix, "");
    setDefault(maxTokens, 512);
    setDefault(temperature, 0.0);
    setDefault(topK, 0);
    setDefault(topP, 1.0);
    setDefault(seed, 0L);
    setDefault(stopTexts, new String[0]);
    setDefault(errorCol, "error");
    setDefault(usageCol, "usage");
  }

  /** What {@code save} wrote. */
  public static MLReader<MlaGenerator> read() {
    return new DefaultParamsReadable<MlaGenerator>() {}.read();
  }

  /** What {@code save} wrote at {@code path}. */
  public static MlaGenerator load(String path) {
    return read().load(path);
  }

  /** Closes the engines of this JVM: of a driver that goes on without them, in local mode. */
  public static void closeEngines() {
    Engines.close();
  }

  /** The path of the model on every executor, or the name under which it was added as a file. */
  public MlaGenerator setModel(String path) {
    return with(model, path);
  }

  /** A backend by name; the fastest by default. */
  public MlaGenerator setBackend(String name) {
    return with(backend, name);
  }

  /** Threads of an executor; 0, the default, for its physical cores. */
  public MlaGenerator setThreads(int count) {
    return with(threads, count);
  }

  /** Texts that an executor writes at once; 16 by default. */
  public MlaGenerator setParallel(int texts) {
    return with(parallel, texts);
  }

  /** The most tokens of a prompt and its text together; the model's context by default. */
  public MlaGenerator setContextTokens(int tokens) {
    return with(contextTokens, tokens);
  }

  /** Bytes of an executor's cache; by default what its texts need, at most a quarter of memory. */
  public MlaGenerator setCacheMemory(long bytes) {
    return with(cacheMemory, bytes);
  }

  /** The column of prompts. */
  public MlaGenerator setInputCol(String column) {
    return with(inputCol, column);
  }

  /** The column of texts. */
  public MlaGenerator setOutputCol(String column) {
    return with(outputCol, column);
  }

  /** The column of errors; {@code error} by default. */
  public MlaGenerator setErrorCol(String column) {
    return with(errorCol, column);
  }

  /** The column of token counts; {@code usage} by default. */
  public MlaGenerator setUsageCol(String column) {
    return with(usageCol, column);
  }

  /** What comes before each prompt: an instruction, examples. */
  public MlaGenerator setPromptPrefix(String text) {
    return with(promptPrefix, text);
  }

  /** The most tokens of a text; 512 by default. */
  public MlaGenerator setMaxTokens(int tokens) {
    return with(maxTokens, tokens);
  }

  /** Divisor of the logits; 0, the default, always takes the likeliest token. */
  public MlaGenerator setTemperature(double value) {
    return with(temperature, value);
  }

  /** How many tokens stay at most; 0, the default, for all. */
  public MlaGenerator setTopK(int tokens) {
    return with(topK, tokens);
  }

  /** The likeliest tokens stay whose probabilities together reach this; 1 by default. */
  public MlaGenerator setTopP(double value) {
    return with(topP, value);
  }

  /** The same seed gives the same texts; 0 by default. */
  public MlaGenerator setSeed(long value) {
    return with(seed, value);
  }

  /** Texts that end a text and are left out of it. */
  public MlaGenerator setStopTexts(String... texts) {
    return with(stopTexts, texts.clone());
  }

  private <T> MlaGenerator with(Param<? super T> param, T value) {
    set(param.name(), value);
    return this;
  }

  /**
   * The rows with their texts; computed when Spark asks for them.
   *
   * @throws InvalidArgumentException where the model or a column is not set, the input is not text,
   *     a column of that name is there already, or a number is out of its range
   */
  @Override
  public Dataset<Row> transform(Dataset<?> dataset) {
    StructType schema = transformSchema(dataset.schema());
    EngineKey engine =
        new EngineKey(
            $(model),
            $(backend),
            integer(threads),
            integer(parallel),
            integer(contextTokens),
            ((Number) $((Param<?>) cacheMemory)).longValue());
    Job job =
        new Job(
            engine,
            dataset.schema().fieldIndex($(inputCol)),
            $(promptPrefix),
            integer(maxTokens),
            ((Number) $((Param<?>) temperature)).doubleValue(),
            integer(topK),
            ((Number) $((Param<?>) topP)).doubleValue(),
            ((Number) $((Param<?>) seed)).longValue(),
            List.of($(stopTexts)));
    job.request(""); // says here what is out of its range
    return dataset.toDF().mapPartitions(new GeneratePartition(job), Encoders.row(schema));
  }

  private int integer(IntParam param) {
    return ((Number) $((Param<?>) param)).intValue();
  }

  @Override
  public StructType transformSchema(StructType schema) {
    require(isDefined(model), "model is not set");
    require(isDefined(inputCol), "inputCol is not set");
    List<String> names = Arrays.asList(schema.fieldNames());
    String input = $(inputCol);
    require(names.contains(input), "inputCol is " + input + ", but the columns are " + names);
    require(
        schema.apply(input).dataType().equals(DataTypes.StringType),
        "inputCol " + input + " is " + schema.apply(input).dataType() + ", but must be text");
    StructType result = schema;
    for (Param<String> added : List.of(outputCol, errorCol, usageCol)) {
      String name = $(added);
      require(
          !Arrays.asList(result.fieldNames()).contains(name),
          added.name() + " is " + name + ", but there is such a column already");
      result = result.add(name, added == usageCol ? USAGE : DataTypes.StringType, true);
    }
    return result;
  }

  private static void require(boolean holds, String message) {
    if (!holds) {
      throw new InvalidArgumentException(message);
    }
  }

  @Override
  public MlaGenerator copy(ParamMap extra) {
    return defaultCopy(extra);
  }

  @Override
  public String uid() {
    return uid;
  }

  /** See {@link #setModel}. */
  public Param<String> model() {
    return model;
  }

  /** See {@link #setBackend}. */
  public Param<String> backend() {
    return backend;
  }

  /** See {@link #setThreads}. */
  public IntParam threads() {
    return threads;
  }

  /** See {@link #setParallel}. */
  public IntParam parallel() {
    return parallel;
  }

  /** See {@link #setContextTokens}. */
  public IntParam contextTokens() {
    return contextTokens;
  }

  /** See {@link #setCacheMemory}. */
  public LongParam cacheMemory() {
    return cacheMemory;
  }

  /** See {@link #setPromptPrefix}. */
  public Param<String> promptPrefix() {
    return promptPrefix;
  }

  /** See {@link #setMaxTokens}. */
  public IntParam maxTokens() {
    return maxTokens;
  }

  /** See {@link #setTemperature}. */
  public DoubleParam temperature() {
    return temperature;
  }

  /** See {@link #setTopK}. */
  public IntParam topK() {
    return topK;
  }

  /** See {@link #setTopP}. */
  public DoubleParam topP() {
    return topP;
  }

  /** See {@link #setSeed}. */
  public LongParam seed() {
    return seed;
  }

  /** See {@link #setStopTexts}. */
  public StringArrayParam stopTexts() {
    return stopTexts;
  }

  /** See {@link #setErrorCol}. */
  public Param<String> errorCol() {
    return errorCol;
  }

  /** See {@link #setUsageCol}. */
  public Param<String> usageCol() {
    return usageCol;
  }

  @Override
  public Param<String> inputCol() {
    return inputCol;
  }

  @Override
  public Param<String> outputCol() {
    return outputCol;
  }

  /** How Scala's trait sets its parameter. */
  @Override
  public void org$apache$spark$ml$param$shared$HasInputCol$_setter_$inputCol_$eq(
      Param<String> param) {
    inputCol = param;
  }

  /** How Scala's trait sets its parameter. */
  @Override
  public void org$apache$spark$ml$param$shared$HasOutputCol$_setter_$outputCol_$eq(
      Param<String> param) {
    outputCol = param;
  }
}
