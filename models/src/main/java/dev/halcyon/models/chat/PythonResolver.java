package dev.halcyon.models.chat;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import java.beans.FeatureDescriptor;
import java.util.Iterator;
import java.util.Map;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELException;
import jinjava.javax.el.ELResolver;

/**
 * Method calls on strings and mappings as Python has them. jinjava would call {@link String}'s own
 * methods, whose names are the same but whose meaning is not: {@code split} takes a regular
 * expression and counts differently, {@code replace} and {@code strip} differ in arguments, {@code
 * startswith} does not exist. Everything else goes to jinjava's resolver.
 */
final class PythonResolver extends ELResolver {
  private final ELResolver rest = JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY;

  @Override
  public Object invoke(
      ELContext context, Object base, Object method, Class<?>[] types, Object[] args) {
    Object[] given = args == null ? new Object[0] : args;
    if (base instanceof CharSequence || base instanceof com.hubspot.jinjava.objects.SafeString) {
      context.setPropertyResolved(true);
      return PythonStrings.call(base.toString(), String.valueOf(method), given);
    }
    if (base instanceof Map<?, ?> map) {
      switch (String.valueOf(method)) {
        case "get" -> {
          context.setPropertyResolved(true);
          if (given.length < 1 || given.length > 2) {
            throw new ELException("get() takes one or two arguments");
          }
          String key = String.valueOf(given[0]);
          return map.containsKey(key) ? map.get(key) : given.length == 2 ? given[1] : null;
        }
        case "keys" -> {
          context.setPropertyResolved(true);
          return new com.hubspot.jinjava.objects.collections.PyList(
              new java.util.ArrayList<>(map.keySet()));
        }
        case "values" -> {
          context.setPropertyResolved(true);
          return new com.hubspot.jinjava.objects.collections.PyList(
              new java.util.ArrayList<>(map.values()));
        }
        default -> {
          // items() and update() are jinjava's
        }
      }
    }
    return rest.invoke(context, base, method, types, args);
  }

  @Override
  public Object getValue(ELContext context, Object base, Object property) {
    return rest.getValue(context, base, property);
  }

  @Override
  public Class<?> getType(ELContext context, Object base, Object property) {
    return rest.getType(context, base, property);
  }

  @Override
  public void setValue(ELContext context, Object base, Object property, Object value) {
    rest.setValue(context, base, property, value);
  }

  @Override
  public boolean isReadOnly(ELContext context, Object base, Object property) {
    return rest.isReadOnly(context, base, property);
  }

  @Override
  public Iterator<FeatureDescriptor> getFeatureDescriptors(ELContext context, Object base) {
    return rest.getFeatureDescriptors(context, base);
  }

  @Override
  public Class<?> getCommonPropertyType(ELContext context, Object base) {
    return rest.getCommonPropertyType(context, base);
  }
}
