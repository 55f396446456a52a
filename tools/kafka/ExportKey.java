import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Base64;

/** Writes the private key of a key store as PEM, which keytool does not: `java ExportKey.java STORE PASSWORD FILE`. */
class ExportKey {
  public static void main(String[] arguments) throws Exception {
    char[] password = arguments[1].toCharArray();
    var key = KeyStore.getInstance(new File(arguments[0]), password).getKey("key", password);
    var body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(key.getEncoded());
    Files.writeString(
        Path.of(arguments[2]), "-----BEGIN PRIVATE KEY-----\n" + body + "\n-----END PRIVATE KEY-----\n");
  }
}
