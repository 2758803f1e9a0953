package dev.halcyon.conformance.onnx;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;

/** Writes protobuf messages field by field. */
final class Wire {
  private final UnknownFieldSet.Builder fields = UnknownFieldSet.newBuilder();

  private Wire add(int field, UnknownFieldSet.Field.Builder value) {
    fields.mergeField(field, value.build());
    return this;
  }

  Wire integer(int field, long value) {
    return add(field, UnknownFieldSet.Field.newBuilder().addVarint(value));
  }

  Wire number(int field, float value) {
    return add(
        field, UnknownFieldSet.Field.newBuilder().addFixed32(Float.floatToRawIntBits(value)));
  }

  Wire text(int field, String value) {
    return bytes(field, ByteString.copyFromUtf8(value));
  }

  Wire bytes(int field, ByteString value) {
    return add(field, UnknownFieldSet.Field.newBuilder().addLengthDelimited(value));
  }

  Wire message(int field, Wire value) {
    return bytes(field, value.toByteString());
  }

  ByteString toByteString() {
    return fields.build().toByteString();
  }

  byte[] toByteArray() {
    return toByteString().toByteArray();
  }
}
